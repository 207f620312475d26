import { to } from "../addresses";
import { PageHead } from "../parts";
import { Link, useQuery } from "../routing";
import { STATES, statesIn, taskIdOf, withState } from "../search";
import { FoundTasks } from "./task_list";

export function TasksPage() {
  const [query] = useQuery();
  const text = query.get("q") ?? "";
  const id = taskIdOf(text);
  const chosen = statesIn(text);
  return (
    <>
      <PageHead title="Tasks" />
      <nav className="states" aria-label="States">
        {["", ...STATES].map((state) => (
          <Link
            key={state}
            href={to.tasks(withState(text, state))}
            aria-current={chosen === state ? "page" : undefined}
          >
            {state || "all"}
          </Link>
        ))}
      </nav>
      {id ? (
        <p>
          <Link href={to.task(id)}>Open the task {id}</Link>
        </p>
      ) : (
        <FoundTasks filter={text} />
      )}
    </>
  );
}
