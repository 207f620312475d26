import { to } from "../addresses";
import { PageHead } from "../parts";
import { Link, useQuery } from "../routing";
import { STATES, parseSearch, searchText } from "../search";
import { FoundTasks } from "./task_list";

export function TasksPage() {
  const [query] = useQuery();
  const text = query.get("q") ?? "";
  const search = parseSearch(text);
  const { queue, type, worker, error, states } = search;
  const within = (state?: string) => to.tasks(searchText({ queue, type, worker, error, state }));
  const chosen = (state?: string) =>
    state ? states.length === 1 && states[0] === state : states.length === 0;
  return (
    <>
      <PageHead title="Tasks" />
      <nav className="states" aria-label="States">
        {[undefined, ...STATES].map((state) => (
          <Link
            key={state ?? "all"}
            href={within(state)}
            aria-current={chosen(state) ? "page" : undefined}
          >
            {state ?? "all"}
          </Link>
        ))}
      </nav>
      {search.problem ? (
        <p className="problem">{search.problem}</p>
      ) : search.id ? (
        <p>
          <Link href={to.task(search.id)}>Open the task {search.id}</Link>
        </p>
      ) : (
        <FoundTasks search={search} />
      )}
    </>
  );
}
