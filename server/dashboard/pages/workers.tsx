import { drainWorkers, releaseWorkers } from "../actions/on_workers";
import { to } from "../addresses";
import type { Worker } from "../api";
import { count } from "../format";
import { Badge, CountLink, Loaded, PageHead } from "../parts";
import { useWorkers } from "../questions";
import { Link } from "../routing";
import { searchText } from "../search";
import { type Column, RowLink } from "../table";
import { Moment } from "../time";
import { Drains } from "./drains";
import { FilteredList } from "./filtered_list";

type Condition = "connected" | "draining" | "quarantined" | "away";

export function conditionOf({ connected, draining, quarantine }: Worker): Condition {
  if (!connected) return "away";
  if (draining) return "draining";
  return quarantine ? "quarantined" : "connected";
}

const TONES = {
  connected: "good",
  draining: "warning",
  quarantined: "bad",
  away: "bad",
} as const;

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

function matches(worker: Worker, word: string, only: string): boolean {
  const has = [worker.name, ...worker.queues].some((text) => text.toLowerCase().includes(word));
  return has && (only === "" || conditionOf(worker) === only);
}

export function WorkersPage() {
  return (
    <>
      <PageHead title="Workers" />
      <Loaded reading={useWorkers()}>
        {(workers) => (
          <FilteredList
            label="Workers"
            one="worker"
            items={workers}
            keyOf={idOf}
            columns={COLUMNS}
            actions={[drainWorkers, releaseWorkers]}
            filterLabel="Filter by name or queue"
            choices={Object.keys(TONES)}
            matches={matches}
            none="No worker is attached: start one, treadle-worker for example."
          />
        )}
      </Loaded>
      <Drains />
    </>
  );
}
