import { useState } from "react";

import { ActionDialog } from "../actions/action_dialog";
import { type Action, here } from "../actions/bulk";
import { drainWorkers, releaseWorkers } from "../actions/on_workers";
import { to } from "../addresses";
import type {
  HandlerAdvice,
  HandlerStats,
  Worker,
  WorkerPoolStats,
  WorkerQuarantine,
} from "../api";
import { count, duration, shellWord } from "../format";
import { actionsAllowed } from "../page_settings";
import { CopyButton, CountLink, Fact, Loaded, PageHead } from "../parts";
import { useWorkers } from "../questions";
import { Link } from "../routing";
import { searchText } from "../search";
import { type Column, Table } from "../table";
import { Moment } from "../time";
import { labelText } from "./drains";
import { FoundTasks } from "./task_list";
import { WorkerBadge, sums } from "./workers";

export function WorkerPage({ id }: { id: string }) {
  const reading = useWorkers();
  const worker = reading.data?.find(({ workerId }) => workerId === id);
  return (
    <>
      <PageHead
        title={worker?.name || id}
        up={{ href: to.workers(), label: "Workers" }}
        aside={worker && <WorkerBadge worker={worker} />}
      >
        {worker && <WorkerActions worker={worker} />}
      </PageHead>
      <Loaded reading={reading}>
        {() =>
          worker ? (
            <Shown worker={worker} />
          ) : (
            <p>
              It is not attached, and has no leases any more: it has ended, or was lost.{" "}
              <Link href={to.workers()}>All workers</Link>
            </p>
          )
        }
      </Loaded>
    </>
  );
}

function WorkerActions({ worker }: { worker: Worker }) {
  const [asked, ask] = useState<Action<Worker>>();
  return (
    <>
      <CopyButton text={`treadle worker show ${shellWord(worker.name)}`} label="Copy as command" />
      {actionsAllowed && !worker.draining && (
        <button type="button" onClick={() => ask(drainWorkers)}>
          Drain …
        </button>
      )}
      {actionsAllowed && worker.quarantine && (
        <button type="button" onClick={() => ask(releaseWorkers)}>
          Release …
        </button>
      )}
      {asked && (
        <ActionDialog
          action={asked}
          scopes={[here("worker", `The worker ${worker.name}.`, [worker])]}
          onClose={() => ask(undefined)}
        />
      )}
    </>
  );
}

function Shown({ worker }: { worker: Worker }) {
  const { slots, leased, running } = sums(worker);
  const runningNow = searchText({ state: "running", worker: worker.name });
  return (
    <>
      <dl className="facts in-line">
        <Fact name="Running">
          <CountLink n={running} href={to.tasks(runningNow)} /> of {count(slots)} slots
        </Fact>
        <Fact name="Has">{count(leased)}</Fact>
        <Fact name="Succeeded">{count(worker.succeededTotal)}</Fact>
        <Fact name="Failed">{count(worker.failedTotal)}</Fact>
        <Fact name="Attached">
          <Moment at={worker.attachedAtMs} />
        </Fact>
        <Fact name="Its leases end">
          <Moment at={worker.leaseExpiresAtMs} none="it holds none" />
        </Fact>
        {Object.keys(worker.labels).length > 0 && (
          <Fact name="Labels">{labelText(worker.labels)}</Fact>
        )}
        <Fact name="From">{worker.peer || "not connected"}</Fact>
        <Fact name="Id">
          <code>{worker.workerId}</code>
        </Fact>
      </dl>
      {worker.quarantine && <Quarantine quarantine={worker.quarantine} />}
      <section aria-labelledby="serves">
        <h2 id="serves">Serves</h2>
        <p className="names">
          {worker.queues.map((queue) => (
            <Link key={queue} href={to.queue(queue)}>
              {queue}
            </Link>
          ))}
        </p>
      </section>
      <section aria-labelledby="pools">
        <h2 id="pools">Pools</h2>
        <Table
          label="Pools"
          columns={POOLS}
          rows={worker.pools}
          keyOf={({ name }) => name}
          empty="None."
        />
      </section>
      <section aria-labelledby="handlers">
        <h2 id="handlers">Handlers</h2>
        <Table
          label="Handlers"
          columns={HANDLERS}
          rows={worker.handlers}
          keyOf={({ type }) => type}
          empty="It has told nothing of them yet."
        />
      </section>
      <section aria-labelledby="runs">
        <h2 id="runs">What it runs</h2>
        <FoundTasks filter={runningNow} />
      </section>
    </>
  );
}

function Quarantine({ quarantine }: { quarantine: WorkerQuarantine }) {
  const { sinceMs, failed, othersSucceeded, queue, type, error } = quarantine;
  return (
    <section aria-labelledby="quarantine">
      <h2 id="quarantine">In quarantine</h2>
      <p>
        It gets no more tasks since <Moment at={sinceMs} />: {count(failed)} of its attempts failed
        one after the other, while {count(othersSucceeded)} of other workers succeeded.
      </p>
      <p>
        The last, {type} in <Link href={to.queue(queue)}>{queue}</Link>: {error!.type}{" "}
        <span className="dim">{error!.message}</span>
      </p>
    </section>
  );
}

const POOLS: Column<WorkerPoolStats>[] = [
  { key: "name", title: "Pool", cell: ({ name }) => name },
  {
    key: "lanes",
    title: "Slots",
    hint: "Filled: running. Half filled: has a task that has not begun. Empty: free.",
    cell: (pool) => <Lanes pool={pool} />,
  },
  { key: "running", title: "Running", numeric: true, cell: ({ running }) => running },
  { key: "leased", title: "Has", numeric: true, cell: ({ leased }) => leased },
  { key: "slots", title: "Of", numeric: true, cell: ({ slots }) => slots },
  {
    key: "types",
    title: "Types",
    fill: true,
    cell: ({ types }) => (
      <span title={types.join(", ")}>{types.length ? types.join(", ") : "every type"}</span>
    ),
  },
];

const LANES_MAX = 24;

// A mark for each slot, so that one sees at a glance how full it is.
function Lanes({ pool }: { pool: WorkerPoolStats }) {
  const shown = Math.min(pool.slots, LANES_MAX);
  const scale = pool.slots > LANES_MAX ? LANES_MAX / pool.slots : 1;
  const running = Math.round(pool.running * scale);
  const leased = Math.round(Math.min(pool.leased, pool.slots) * scale);
  const mark = (index: number) => (index < running ? "■" : index < leased ? "◧" : "□");
  return (
    <span className="lanes" aria-hidden="true">
      {Array.from({ length: shown }, (_, index) => mark(index)).join("")}
    </span>
  );
}

const ADVICE: Record<HandlerAdvice, string> = {
  HANDLER_ADVICE_UNSPECIFIED: "",
  HANDLER_ADVICE_TOO_FEW_RUNS: "too few runs to tell",
  HANDLER_ADVICE_STAY: "it is well where it is",
  HANDLER_ADVICE_PROCESS: "it computes: run it in processes",
  HANDLER_ADVICE_THREAD_OR_COROUTINE: "it waits: run it on threads, or as a coroutine",
};

const measured = (stats: HandlerStats, text: string) => (stats.measuredRuns ? text : "–");

const HANDLERS: Column<HandlerStats>[] = [
  { key: "type", title: "Type", cell: ({ type }) => type },
  { key: "pool", title: "Pool", cell: ({ pool }) => pool },
  { key: "runs", title: "Runs", numeric: true, cell: ({ runs }) => count(runs) },
  {
    key: "wall",
    title: "Takes",
    hint: "A measured run, on average",
    numeric: true,
    cell: (stats) => measured(stats, duration(stats.wallMs)),
  },
  {
    key: "cpu",
    title: "Computes",
    hint: "The share of that time in which it uses a processor",
    numeric: true,
    cell: (stats) =>
      measured(stats, `${Math.round((stats.cpuMs / Math.max(stats.wallMs, 0.001)) * 100)} %`),
  },
  { key: "advice", title: "Advice", fill: true, cell: ({ advice }) => ADVICE[advice] },
];
