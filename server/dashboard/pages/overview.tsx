import { useMemo } from "react";

import { to } from "../addresses";
import { type Attention, findAttention, isGrowing, oldest } from "../attention";
import { LineChart } from "../chart";
import { count, counted, duration, rate } from "../format";
import { CountLink, Loaded, PageHead } from "../parts";
import { useDeadLetterGroups, useQueues, useServer, useWaiting, useWorkers } from "../questions";
import { type Sample, type Totals, totalsOf, useHistory } from "../rate_history";
import { Link } from "../routing";
import { brokerNow } from "../time";

export function OverviewPage() {
  const queues = useQueues();
  const workers = useWorkers();
  const groups = useDeadLetterGroups();
  const server = useServer();
  const waiting = useWaiting(useMemo(() => oldest(queues.data ?? []), [queues.data]));
  const totals = useMemo(() => queues.data && totalsOf(queues.data, brokerNow()), [queues.data]);
  const history = useHistory(totals);

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
            />
            <AttentionList attention={attention} />
            <Charts history={history} />
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

function Figures({ totals, growing }: { totals: Totals; growing: number }) {
  return (
    <dl className="figures">
      <Figure name="Ready" detail={`${count(totals.scheduled)} scheduled for later`}>
        <CountLink n={totals.ready} href={to.tasks("state:queued")} />
      </Figure>
      <Figure name="Running" detail={`${rate(totals.finishedPerSecond)} end each second`}>
        <CountLink n={totals.running} href={to.tasks("state:running")} />
      </Figure>
      <Figure
        name="Failed"
        detail={`${counted(growing, "group")} growing · ${count(totals.failed)} since the start`}
      >
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

function Charts({ history }: { history: readonly Sample[] }) {
  const times = history.map(({ at }) => at);
  const line = (pick: (sample: Sample) => number) => history.map(pick);
  return (
    <section className="charts" aria-label="Charts">
      <LineChart
        title="Tasks per second"
        times={times}
        format={rate}
        least={4}
        lines={[
          {
            name: "submitted",
            tone: "plain",
            stroke: "dashed",
            values: line((s) => s.submittedPerSecond),
          },
          {
            name: "ended",
            tone: "accent",
            stroke: "solid",
            values: line((s) => s.finishedPerSecond),
          },
          {
            name: "failed",
            tone: "bad",
            stroke: "dotted",
            values: line((sample) => sample.failedPerSecond),
          },
        ]}
      />
      <LineChart
        title="Oldest task waits"
        times={times}
        format={duration}
        least={4_000}
        lines={[
          { name: "for", tone: "accent", stroke: "solid", values: line((s) => s.oldestAgeMs) },
        ]}
      />
      <LineChart
        title="Tasks"
        times={times}
        format={(n) => count(Math.round(n))}
        least={4}
        lines={[
          { name: "ready", tone: "plain", stroke: "dashed", values: line((s) => s.ready) },
          { name: "running", tone: "accent", stroke: "solid", values: line((s) => s.running) },
        ]}
      />
    </section>
  );
}
