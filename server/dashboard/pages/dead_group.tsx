import type { Scope } from "../actions/bulk";
import { deleteDeadLetters, redriveDeadLetters } from "../actions/on_dead_letters";
import { Toolbar, scopesOf } from "../actions/toolbar";
import { to } from "../addresses";
import { type DeadLetter, type DeadLetterGroup, deadLetterService } from "../api";
import { WordsBox } from "../filters";
import { bytes, count, shellWord } from "../format";
import { CopyButton, Fact, Loaded, PageHead } from "../parts";
import { usePoll } from "../polling";
import { listLetters, useDeadLetterGroups } from "../questions";
import { Link, useQuery } from "../routing";
import { argumentOf } from "../search";
import { useSelection } from "../selection";
import { type Column, RowLink, Table } from "../table";
import { Moment } from "../time";
import { TokenPager } from "./token_pager";

const ACTIONS = [redriveDeadLetters, deleteDeadLetters];
const PAGE_SIZE = 100;

const idOf = ({ task }: DeadLetter): string => task!.taskId;

const COLUMNS: Column<DeadLetter>[] = [
  {
    key: "id",
    title: "Task",
    cell: (letter) => <RowLink href={to.task(idOf(letter))}>{idOf(letter)}</RowLink>,
  },
  { key: "type", title: "Type", cell: ({ task }) => task!.type },
  {
    key: "error",
    title: "Error",
    fill: true,
    cell: ({ task }) => {
      const error = task!.lastError;
      return (
        <span title={error?.message}>
          {error?.type}: <span className="dim">{error?.message.split("\n")[0]}</span>
        </span>
      );
    },
  },
  {
    key: "attempts",
    title: "Attempts",
    numeric: true,
    wide: true,
    cell: ({ task }) => `${task!.attempts} of ${task!.maxAttempts}`,
  },
  { key: "worker", title: "Worker", wide: true, cell: ({ task }) => task!.worker },
  {
    key: "size",
    title: "Size",
    numeric: true,
    wide: true,
    cell: (letter) => bytes(letter.bytes),
  },
  {
    key: "failed",
    title: "Failed",
    numeric: true,
    cell: ({ task }) => <Moment at={task!.finishedAtMs} />,
  },
];

// A group's letters; "all": all of its queue's.
export function DeadGroupPage({ queue, group }: { queue: string; group: string }) {
  const [query] = useQuery();
  const after = query.get("after") ?? "";
  const filter = query.get("filter") ?? "";
  const whole = group === "all";
  const ask = { queue, group: whole ? "" : group, filter };
  const groups = useDeadLetterGroups(queue);
  const about = groups.data?.groups.find((candidate) => candidate.group === group);
  const reading = usePoll(`letters ${queue}/${group} ${filter} after ${after}`, (signal) =>
    deadLetterService.listDeadLetters({ ...ask, pageSize: PAGE_SIZE, pageToken: after }, signal),
  );
  const selection = useSelection<DeadLetter>(`${queue}/${group} ${filter}`, idOf);
  const pages = (signal: AbortSignal) => listLetters(ask, signal);
  // Of what a filter takes, the count is not known before.
  const all: Scope<DeadLetter> = filter
    ? { key: "all", label: "All that the filter takes", pages, matching: ask }
    : {
        key: "all",
        label: whole ? `All of ${queue}` : "All of this group",
        count: whole ? groups.data?.groups.reduce((sum, one) => sum + one.count, 0) : about?.count,
        pages,
        matching: ask,
      };
  const command = ["treadle", "dead", "redrive", "--queue", queue];
  if (!whole) command.push("--group", group);
  if (filter) command.push("--filter", argumentOf(filter));
  command.push("--dry-run");

  return (
    <>
      <PageHead
        title={whole ? `All dead letters of ${queue}` : about?.errorType || `Group ${group}`}
        up={{ href: to.dead({ queue }), label: `Dead letters of ${queue}` }}
      >
        <CopyButton text={command.map(shellWord).join(" ")} label="Copy as command" />
      </PageHead>
      {about && <About group={about} />}
      <WordsBox
        label="Search these dead letters"
        placeholder="type:resize error~timeout finished<2h -worker:w7"
      />
      <Loaded reading={reading}>
        {({ deadLetters, nextPageToken, searched }) => (
          <>
            <Toolbar
              label="Dead letters"
              actions={ACTIONS}
              selection={selection}
              scopes={scopesOf(selection, deadLetters, all)}
              exported={all.pages}
            />
            <Table
              label="Dead letters"
              columns={COLUMNS}
              rows={deadLetters}
              keyOf={idOf}
              selection={selection}
              empty={
                nextPageToken
                  ? "None among those looked at: go on."
                  : filter
                    ? "None matches."
                    : "None are left."
              }
            />
            <TokenPager next={nextPageToken} searched={searched} label="dead letters" />
          </>
        )}
      </Loaded>
    </>
  );
}

function About({ group }: { group: DeadLetterGroup }) {
  return (
    <section aria-label="What fails">
      <pre className="error-text">{group.errorMessage || "(no message)"}</pre>
      <dl className="facts in-line">
        <Fact name="Type">{group.type}</Fact>
        <Fact name="Queue">
          <Link href={to.queue(group.queue)}>{group.queue}</Link>
        </Fact>
        <Fact name="Letters">{count(group.count)}</Fact>
        <Fact name="Size">{bytes(group.bytes)}</Fact>
        <Fact name="First">
          <Moment at={group.firstAtMs} />
        </Fact>
        <Fact name="Last">
          <Moment at={group.lastAtMs} />, <Link href={to.task(group.lastTaskId)}>that task</Link>
        </Fact>
      </dl>
    </section>
  );
}
