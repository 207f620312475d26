import { to } from "../addresses";
import type { ServerInfo, ServerStats } from "../api";
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
      <Stats stats={server.stats!} store={server.store} />
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

function Stats({ stats, store }: { stats: ServerStats; store: string }) {
  return (
    <>
      <section aria-labelledby="together">
        <h2 id="together">Done together, in the last minute</h2>
        <dl className="facts">
          <Fact name="Syncs of the disk">
            {store === "memory" ? "there is no disk" : <Syncs stats={stats} />}
          </Fact>
          <Fact name="Requests in a turn">
            <Group mean={stats.turnRequestsMean} p99={stats.turnRequestsP99} text={count} />
          </Fact>
          <Fact name="Rows of a turn">
            <Group mean={stats.turnBytesMean} p99={stats.turnBytesP99} text={bytes} />
          </Fact>
        </dl>
      </section>
      <section aria-labelledby="memory">
        <h2 id="memory">Memory</h2>
        <dl className="facts">
          <Fact name="Resident">{bytes(stats.residentBytes)}</Fact>
          <Fact name="Payloads kept at hand">
            {ofMost(stats.payloadCacheBytes, stats.payloadCacheBytesMax)}
          </Fact>
          <Fact name="Submits that wait for room">
            {ofMost(stats.waitingBytes, stats.waitingBytesMax)}
          </Fact>
          <Fact name="Waiting for the disk">
            {ofMost(stats.unsyncedBytes, stats.unsyncedBytesMax)}
          </Fact>
          <Fact name="Received, not taken yet">
            {ofMost(stats.incomingBytes, stats.incomingLaneBytesMax)} for each lane
          </Fact>
          <Fact name="Sent, not read yet">
            {ofMost(stats.outgoingBytes, stats.outgoingBytesMax)}
          </Fact>
        </dl>
      </section>
    </>
  );
}

const ofMost = (used: number, max: number) => `${bytes(used)} of ${bytes(max)}`;

function Syncs({ stats }: { stats: ServerStats }) {
  const last = stats.syncLastMs < 0 ? "" : `the last one took ${duration(stats.syncLastMs)}`;
  if (stats.syncP50Ms < 0) return last ? `none; ${last}` : "none";
  const within = `half within ${duration(Math.ceil(stats.syncP50Ms))}, 99 % within`;
  return `${within} ${duration(Math.ceil(stats.syncP99Ms))}; ${last}`;
}

function Group(group: { mean: number; p99: number; text: (n: number) => string }) {
  if (group.mean < 0) return "none";
  const [mean, p99] = [group.mean, group.p99].map((n) => group.text(Math.ceil(n)));
  return `${mean} on average, 99 % at most ${p99}`;
}
