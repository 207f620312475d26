// The tasks that a filter takes, page by page.
import { useMemo } from "react";

import { cancelTasks } from "../actions/on_tasks";
import { Toolbar, scopesOf } from "../actions/toolbar";
import { to } from "../addresses";
import { type Task, taskService } from "../api";
import { count, shellWord } from "../format";
import { CopyButton, Loaded, State } from "../parts";
import { usePoll } from "../polling";
import { pages } from "../questions";
import { Link, useQuery } from "../routing";
import { searchCommand, withoutOrder } from "../search";
import { useSelection } from "../selection";
import { type Column, RowLink, Table } from "../table";
import { Moment, brokerNow } from "../time";
import { TokenPager } from "./token_pager";

const PAGE_SIZE = 100;
const PAGE_SIZE_OF_ALL = 1_000;

const idOf = ({ taskId }: Task): string => taskId;

const COLUMNS: Column<Task>[] = [
  {
    key: "id",
    title: "Task",
    cell: ({ taskId }) => <RowLink href={to.task(taskId)}>{taskId}</RowLink>,
  },
  {
    key: "state",
    title: "State",
    cell: ({ state, stopReason }) => (
      <State state={state} stops={stopReason !== "STOP_REASON_UNSPECIFIED"} />
    ),
  },
  { key: "type", title: "Type", cell: ({ type }) => type },
  {
    key: "queue",
    title: "Queue",
    wide: true,
    cell: ({ queue }) => <Link href={to.queue(queue)}>{queue}</Link>,
  },
  {
    key: "attempts",
    title: "Attempts",
    numeric: true,
    wide: true,
    cell: ({ attempts, maxAttempts }) => `${attempts} of ${maxAttempts}`,
  },
  { key: "worker", title: "Worker", wide: true, cell: ({ worker }) => worker },
  {
    key: "error",
    title: "Last error",
    wide: true,
    fill: true,
    cell: ({ lastError }) =>
      lastError && (
        <span title={lastError.message}>
          {lastError.type}: <span className="dim">{lastError.message.split("\n")[0]}</span>
        </span>
      ),
  },
  {
    key: "submitted",
    title: "Submitted",
    numeric: true,
    cell: ({ submittedAtMs }) => <Moment at={submittedAtMs} />,
  },
];

const IN_QUEUE = COLUMNS.filter(({ key }) => key !== "queue");

// What is submitted meanwhile is left out.
async function* listAll(
  filter: string,
  includeFinished: boolean,
  signal: AbortSignal,
): AsyncGenerator<Task[]> {
  const beganAt = brokerNow();
  const ask = (pageToken: string) =>
    taskService.listTasks(
      { filter, includeFinished, pageSize: PAGE_SIZE_OF_ALL, pageToken },
      signal,
    );
  for await (const { tasks } of pages(ask))
    yield tasks.filter(({ submittedAtMs }) => submittedAtMs <= beganAt);
}

export function FoundTasks({ filter, inQueue }: { filter: string; inQueue?: boolean }) {
  const [query] = useQuery();
  const after = query.get("after") ?? "";
  const reading = usePoll(`tasks ${filter} after ${after}`, (signal) =>
    // In all states, when the filter names none.
    taskService.listTasks(
      { filter, includeFinished: true, pageSize: PAGE_SIZE, pageToken: after },
      signal,
    ),
  );
  const selection = useSelection<Task>(filter, idOf);
  const all = useMemo(
    () => ({
      key: "all",
      label: "All that the search finds",
      pages: (signal: AbortSignal) => listAll(filter, false, signal),
      matching: { filter: withoutOrder(filter) },
    }),
    [filter],
  );
  return (
    <Loaded reading={reading}>
      {({ tasks, nextPageToken: next, searched }) => (
        <>
          <Toolbar
            label="Tasks"
            actions={[cancelTasks]}
            selection={selection}
            scopes={scopesOf(selection, tasks, all)}
            exported={(signal) => listAll(filter, true, signal)}
          >
            <CopyButton
              text={searchCommand(filter).map(shellWord).join(" ")}
              label="Copy as command"
            />
            <span className="dim">
              {count(tasks.length)}
              {next || after ? " on this page" : " found"}
            </span>
          </Toolbar>
          <Table
            label="Tasks"
            columns={inQueue ? IN_QUEUE : COLUMNS}
            rows={tasks}
            keyOf={idOf}
            selection={selection}
            empty={next ? "None among those looked at: go on." : "No task matches."}
          />
          <TokenPager next={next} searched={searched} label="tasks" />
        </>
      )}
    </Loaded>
  );
}
