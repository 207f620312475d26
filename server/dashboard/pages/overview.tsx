import { useMemo } from "react";

import { to } from "../addresses";
import { type Attention, findAttention, isGrowing, oldest } from "../attention";
import type { Queue } from "../api";
import { type SpanName, failedInHour } from "../chart_history";
import { count, counted, duration, rate } from "../format";
import { CountLink, Loaded, PageHead } from "../parts";
import {
  useCharts,
  useDeadLetterGroups,
  useQueues,
  useServer,
  useWaiting,
  useWorkers,
} from "../questions";
import { Link, useQuery } from "../routing";
import { brokerNow } from "../time";
import { ChartsOverTime } from "./charts_over_time";

// Of all queues.
interface Totals {
  ready: number;
  running: number;
  scheduled: number;
  submittedPerSecond: number;
  finishedPerSecond: number;
  oldestAgeMs: number;
  deadLetters: number;
}

function totalsOf(queues: Queue[]): Totals {
  const totals: Totals = {
    ready: 0,
    running: 0,
    scheduled: 0,
    submittedPerSecond: 0,
    finishedPerSecond: 0,
    oldestAgeMs: 0,
    deadLetters: 0,
  };
  for (const { stats } of queues) {
    if (!stats) continue;
    totals.ready += stats.queued;
    totals.running += stats.running;
    totals.scheduled += stats.scheduled;
    totals.submittedPerSecond += stats.submittedPerSecond;
    totals.finishedPerSecond += stats.finishedPerSecond;
    totals.oldestAgeMs = Math.max(totals.oldestAgeMs, stats.oldestAgeMs);
    totals.deadLetters += stats.deadLetters;
  }
  return totals;
}

export function OverviewPage() {
  const queues = useQueues();
  const workers = useWorkers();
  const groups = useDeadLetterGroups();
  const server = useServer();
  const waiting = useWaiting(useMemo(() => oldest(queues.data ?? []), [queues.data]));
  const totals = useMemo(() => queues.data && totalsOf(queues.data), [queues.data]);
  const [query] = useQuery();
  const span: SpanName = query.get("charts") === "day" ? "day" : "hour";
  const charts = useCharts(span);
  const hour = useCharts("hour");

  const attention = findAttention({
    server: server.data,
    queues: queues.data,
    groups: groups.data?.groups,
    workers: workers.data,
    waiting: waiting.data,
    nowMs: brokerNow(),
  });
  const connected = workers.data?.filter((worker) => worker.connected).length;

  return (
    <>
      <PageHead title="Overview" />
      <Loaded reading={queues}>
        {(all) => (
          <>
            <Health
              attention={attention}
              queues={all.length}
              workers={connected}
              totals={totals!}
            />
            <Figures
              totals={totals!}
              growing={
                groups.data?.groups.filter((group) => isGrowing(group, brokerNow())).length ?? 0
              }
              failed={hour.data && failedInHour(hour.data, server.data?.startedAtMs ?? 0)}
            />
            <AttentionList attention={attention} />
            <ChartsOverTime span={span} reading={charts} />
          </>
        )}
      </Loaded>
    </>
  );
}

interface HealthProps {
  attention: Attention[];
  queues: number;
  workers?: number;
  totals: Totals;
}

type Tone = "good" | "warning" | "bad";

// In one sentence.
function healthOf({ attention, queues, workers, totals }: HealthProps): [Tone, string] {
  const bad = attention.filter(({ level }) => level === "bad").length;
  const waiting = totals.ready + totals.scheduled;
  const staff = workers === undefined ? "" : `, ${counted(workers, "worker")}`;
  const whole = `${counted(queues, "queue")}${staff}`;
  if (queues === 0) return ["good", "The broker is up, and has no queues: submit a task to begin."];
  if (bad > 0)
    return ["bad", `${counted(bad, "thing needs", "things need")} attention (${whole}).`];
  if (workers === 0 && waiting > 0) {
    const tasks = counted(waiting, "task waits", "tasks wait");
    return ["warning", `${tasks}, and no worker is here to run any.`];
  }
  if (attention.length > 0) {
    const things = counted(attention.length, "thing is", "things are");
    return ["warning", `Work goes on (${whole}); ${things} worth a look.`];
  }
  return ["good", `All is well: nothing waits for long (${whole}).`];
}

const SIGNS: Record<Tone, string> = { good: "✓", warning: "!", bad: "✕" };

function Health(props: HealthProps) {
  const [tone, text] = healthOf(props);
  return (
    <p className={`health ${tone}`}>
      <span className="sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      {text}
    </p>
  );
}

interface FiguresProps {
  totals: Totals;
  growing: number;
  failed?: number;
}

function Figures({ totals, growing, failed }: FiguresProps) {
  const failures = failed === undefined ? "" : ` · ${count(failed)} in the last hour`;
  return (
    <dl className="figures">
      <Figure name="Ready" detail={`${count(totals.scheduled)} scheduled for later`}>
        <CountLink n={totals.ready} href={to.tasks("state:queued")} />
      </Figure>
      <Figure name="Running" detail={`${rate(totals.finishedPerSecond)} end each second`}>
        <CountLink n={totals.running} href={to.tasks("state:running")} />
      </Figure>
      <Figure name="Failed" detail={`${counted(growing, "group")} growing${failures}`}>
        <CountLink n={totals.deadLetters} href={to.dead()} tone="bad" />
      </Figure>
      <Figure name="Oldest waits" detail={`${rate(totals.submittedPerSecond)} come each second`}>
        {totals.oldestAgeMs === 0 ? (
          <span className="zero">–</span>
        ) : (
          <Link href={to.queues({ sort: "-oldest" })} className="count">
            {duration(totals.oldestAgeMs)}
          </Link>
        )}
      </Figure>
    </dl>
  );
}

interface FigureProps {
  name: string;
  detail: string;
  children: React.ReactNode;
}

function Figure({ name, detail, children }: FigureProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="value">{children}</dd>
      <dd className="detail">{detail}</dd>
    </div>
  );
}

function AttentionList({ attention }: { attention: Attention[] }) {
  return (
    <section aria-labelledby="attention">
      <h2 id="attention">Needs attention</h2>
      {attention.length === 0 ? (
        <p className="dim">Nothing.</p>
      ) : (
        <ul className="attention">
          {attention.map(({ key, level, title, text, href }) => (
            <li key={key} className={level}>
              <span className="sign" aria-hidden="true">
                {level === "bad" ? "✕" : "!"}
              </span>
              <div>
                <Link href={href} className="row-link">
                  {title}
                </Link>
                <p>{text}</p>
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
