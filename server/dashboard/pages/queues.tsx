import { useMemo } from "react";

import {
  closeQueues,
  deleteQueues,
  openQueues,
  pauseQueues,
  purgeQueues,
  resumeQueues,
} from "../actions/on_queues";
import { here } from "../actions/bulk";
import { Toolbar, scopesOf } from "../actions/toolbar";
import type { Queue } from "../api";
import { isFull, isOld } from "../attention";
import { FilterBox, OnlyChoice } from "../filters";
import { count, counted } from "../format";
import { Loaded, PageHead } from "../parts";
import { useQueues } from "../questions";
import { useQuery } from "../routing";
import { useSelection } from "../selection";
import { SortedTable, useOrdered } from "../sorted_table";
import { QUEUE_COLUMNS } from "./queue_columns";

const ACTIONS = [pauseQueues, resumeQueues, closeQueues, openQueues, purgeQueues, deleteQueues];

const ONLY: Record<string, (queue: Queue) => boolean> = {
  paused: ({ paused }) => paused,
  closed: ({ closed }) => closed,
  full: isFull,
  old: isOld,
  failing: ({ stats }) => stats!.deadLetters > 0,
  idle: ({ stats }) => stats!.queued + stats!.running + stats!.scheduled === 0,
};

const nameOf = ({ config }: Queue): string => config!.name;

export function QueuesPage() {
  return (
    <>
      <PageHead title="Queues" />
      <Loaded reading={useQueues()}>{(queues) => <QueueList queues={queues} />}</Loaded>
    </>
  );
}

function QueueList({ queues }: { queues: Queue[] }) {
  const [query] = useQuery();
  const filter = query.get("filter") ?? "";
  const only = query.get("only") ?? "";
  const matching = useMemo(() => {
    const word = filter.toLowerCase();
    const wanted = ONLY[only] ?? (() => true);
    return queues.filter((queue) => wanted(queue) && nameOf(queue).toLowerCase().includes(word));
  }, [queues, filter, only]);
  const ordered = useOrdered(matching, QUEUE_COLUMNS, "name");
  const selection = useSelection<Queue>("queues", nameOf);

  const all = here("all", "All that match the filter", matching);
  return (
    <>
      <div className="filters">
        <FilterBox label="Filter by name" />
        <OnlyChoice label="Show" choices={Object.keys(ONLY)} />
        <span className="dim">
          {matching.length === queues.length
            ? counted(queues.length, "queue")
            : `${counted(matching.length, "queue")} of ${count(queues.length)}`}
        </span>
      </div>
      <Toolbar
        label="Queues"
        actions={ACTIONS}
        selection={selection}
        scopes={scopesOf(selection, ordered.rows, all)}
        exported={all.pages}
      />
      <SortedTable
        label="Queues"
        columns={QUEUE_COLUMNS}
        ordered={ordered}
        total={matching.length}
        keyOf={nameOf}
        selection={selection}
        empty={
          queues.length === 0
            ? "There are no queues yet: the first task that is submitted makes its own."
            : "No queue matches."
        }
      />
    </>
  );
}
