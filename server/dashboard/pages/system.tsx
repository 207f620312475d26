import { to } from "../addresses";
import type { ServerInfo } from "../api";
import { bytes, count, dateTime, duration } from "../format";
import { actionsAllowed } from "../page_settings";
import { Badge, CopyButton, CountLink, Fact, Loaded, PageHead } from "../parts";
import { useServer, useWorkers } from "../questions";
import { Moment } from "../time";
import { ActionsTaken } from "./actions_taken";
import { Jobs } from "./jobs";

export function SystemPage() {
  const server = useServer();
  return (
    <>
      <PageHead title="System">
        <CopyButton text="treadle server show" label="Copy as command" />
      </PageHead>
      <Loaded reading={server}>{(info) => <Shown server={info} />}</Loaded>
      <Jobs />
      <ActionsTaken />
    </>
  );
}

function Shown({ server }: { server: ServerInfo }) {
  const limits = server.limits!;
  const workers = useWorkers().data ?? [];
  const away = workers.filter(({ connected }) => !connected).length;
  return (
    <div className="columns">
      <section aria-labelledby="broker">
        <h2 id="broker">Broker</h2>
        <dl className="facts">
          <Fact name="Version">{server.version}</Fact>
          <Fact name="Started">
            <Moment at={server.startedAtMs} />
          </Fact>
          <Fact name="Its clock">{dateTime(server.nowMs)}</Fact>
          <Fact name="Store">
            {server.store === "memory" ? "memory: nothing outlives the broker" : server.store}
          </Fact>
          <Fact name="Disk">
            {server.diskHungMs ? (
              <Badge tone="bad">has not answered for {duration(server.diskHungMs)}</Badge>
            ) : (
              "answers"
            )}
          </Fact>
          <Fact name="Dashboard">
            {actionsAllowed
              ? "may change things"
              : "shows only; --dashboard-actions allows changes"}
          </Fact>
        </dl>
      </section>
      <section aria-labelledby="counts">
        <h2 id="counts">What it has</h2>
        <dl className="facts">
          <Fact name="Queues">
            <CountLink n={server.queues} href={to.queues()} /> of {count(limits.queuesMax)}
          </Fact>
          <Fact name="Unfinished tasks">
            <CountLink
              n={server.unfinishedTasks}
              href={to.tasks("state:scheduled state:queued state:running")}
            />{" "}
            of {count(limits.unfinishedTasksMax)}
          </Fact>
          <Fact name="Workers">
            <CountLink n={server.workers} href={to.workers()} />
            {away > 0 && `, ${away} of them away`}
          </Fact>
          <Fact name="Clients' sessions">{count(server.sessions)}</Fact>
        </dl>
      </section>
      <section aria-labelledby="limits">
        <h2 id="limits">Limits</h2>
        <dl className="facts">
          <Fact name="A payload, a result">{bytes(limits.payloadBytesMax)}</Fact>
          <Fact name="A message">{bytes(limits.messageBytesMax)}</Fact>
          <Fact name="Tasks in one batch">{count(limits.batchTasksMax)}</Fact>
          <Fact name="Streams of a client">{count(limits.streamsPerClientMax)}</Fact>
          <Fact name="A request key is known for">{duration(limits.requestKeyWindowMs)}</Fact>
        </dl>
      </section>
      <section aria-labelledby="elsewhere">
        <h2 id="elsewhere">Elsewhere</h2>
        <ul className="links">
          <li>
            <a href="/metrics">Metrics</a> <span className="dim">for Prometheus</span>
          </li>
          <li>
            <a href="/readyz">Ready?</a> <span className="dim">whether it can do its work</span>
          </li>
          <li>
            <a href="/healthz">Alive?</a> <span className="dim">whether its loop answers</span>
          </li>
        </ul>
      </section>
    </div>
  );
}
