import { useMemo } from "react";

import { here } from "../actions/bulk";
import { drainWorkers } from "../actions/on_workers";
import { Toolbar, scopesOf } from "../actions/toolbar";
import { to } from "../addresses";
import type { Worker } from "../api";
import { FilterBox, OnlyChoice } from "../filters";
import { count, counted } from "../format";
import { Badge, CountLink, Loaded, PageHead } from "../parts";
import { useWorkers } from "../questions";
import { Link, useQuery } from "../routing";
import { searchText } from "../search";
import { useSelection } from "../selection";
import { SortedTable, useOrdered } from "../sorted_table";
import { type Column, RowLink } from "../table";
import { Moment } from "../time";

type Condition = "connected" | "draining" | "away";

export function conditionOf({ connected, draining }: Worker): Condition {
  if (!connected) return "away";
  return draining ? "draining" : "connected";
}

const TONES = { connected: "good", draining: "warning", away: "bad" } as const;

export function WorkerBadge({ worker }: { worker: Worker }) {
  const condition = conditionOf(worker);
  return <Badge tone={TONES[condition]}>{condition}</Badge>;
}

export function sums({ pools }: Worker) {
  const sum = { slots: 0, free: 0, leased: 0, running: 0 };
  for (const pool of pools) {
    sum.slots += pool.slots;
    sum.free += pool.free;
    sum.leased += pool.leased;
    sum.running += pool.running;
  }
  return sum;
}

const idOf = ({ workerId }: Worker): string => workerId;
const QUEUES_SHOWN = 3;

const COLUMNS: Column<Worker>[] = [
  {
    key: "name",
    title: "Worker",
    fill: true,
    order: ({ name }) => name,
    cell: (worker) => (
      <RowLink href={to.worker(worker.workerId)}>{worker.name || worker.workerId}</RowLink>
    ),
  },
  {
    key: "condition",
    title: "Is",
    order: conditionOf,
    cell: (worker) => <WorkerBadge worker={worker} />,
  },
  {
    key: "queues",
    title: "Serves",
    wide: true,
    cell: ({ queues }) => (
      <span title={queues.join(", ")}>
        {queues.slice(0, QUEUES_SHOWN).map((queue, index) => (
          <span key={queue}>
            {index > 0 && ", "}
            <Link href={to.queue(queue)}>{queue}</Link>
          </span>
        ))}
        {queues.length > QUEUES_SHOWN && ` and ${queues.length - QUEUES_SHOWN} more`}
      </span>
    ),
  },
  {
    key: "running",
    title: "Running",
    numeric: true,
    order: (worker) => sums(worker).running,
    cell: (worker) => (
      <>
        <CountLink
          n={sums(worker).running}
          href={to.tasks(searchText({ state: "running", worker: worker.name }))}
        />
        <span className="dim"> / {sums(worker).slots}</span>
      </>
    ),
  },
  {
    key: "leased",
    title: "Has",
    hint: "Tasks that it has, those that wait for a slot of its own included",
    numeric: true,
    wide: true,
    order: (worker) => sums(worker).leased,
    cell: (worker) => count(sums(worker).leased),
  },
  {
    key: "succeeded",
    title: "Succeeded",
    numeric: true,
    wide: true,
    order: ({ succeededTotal }) => succeededTotal,
    cell: ({ succeededTotal }) => count(succeededTotal),
  },
  {
    key: "failed",
    title: "Failed",
    numeric: true,
    order: ({ failedTotal }) => failedTotal,
    cell: ({ failedTotal }) => (failedTotal ? count(failedTotal) : <span className="zero">0</span>),
  },
  {
    key: "attached",
    title: "Attached",
    numeric: true,
    wide: true,
    order: ({ attachedAtMs }) => attachedAtMs,
    cell: ({ attachedAtMs }) => <Moment at={attachedAtMs} />,
  },
];

export function WorkersPage() {
  return (
    <>
      <PageHead title="Workers" />
      <Loaded reading={useWorkers()}>{(workers) => <WorkerList workers={workers} />}</Loaded>
    </>
  );
}

function WorkerList({ workers }: { workers: Worker[] }) {
  const [query] = useQuery();
  const filter = query.get("filter") ?? "";
  const only = query.get("only") ?? "";
  const matching = useMemo(() => {
    const word = filter.toLowerCase();
    const has = ({ name, queues }: Worker) =>
      [name, ...queues].some((text) => text.toLowerCase().includes(word));
    return workers.filter((worker) => has(worker) && (only === "" || conditionOf(worker) === only));
  }, [workers, filter, only]);
  const ordered = useOrdered(matching, COLUMNS, "name");
  const selection = useSelection<Worker>("workers", idOf);
  const all = here("all", "All that match the filter", matching);
  return (
    <>
      <div className="filters">
        <FilterBox label="Filter by name or queue" />
        <OnlyChoice label="Show" choices={Object.keys(TONES)} />
        <span className="dim">
          {matching.length === workers.length
            ? counted(workers.length, "worker")
            : `${counted(matching.length, "worker")} of ${count(workers.length)}`}
        </span>
      </div>
      <Toolbar
        label="Workers"
        actions={[drainWorkers]}
        selection={selection}
        scopes={scopesOf(selection, ordered.rows, all)}
        exported={all.pages}
      />
      <SortedTable
        label="Workers"
        columns={COLUMNS}
        ordered={ordered}
        total={matching.length}
        keyOf={idOf}
        selection={selection}
        empty={
          workers.length === 0
            ? "No worker is attached: start one, treadle-worker for example."
            : "No worker matches."
        }
      />
    </>
  );
}
