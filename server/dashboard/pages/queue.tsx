import { useState } from "react";

import { ActionDialog } from "../actions/action_dialog";
import { type Action, here } from "../actions/bulk";
import { closeQueues, deleteQueues, purgeQueues } from "../actions/on_queues";
import { to } from "../addresses";
import { type Queue, queueService } from "../api";
import { bytes, count, counted, duration, rate, shellWord } from "../format";
import { perform } from "../notices";
import { actionsAllowed } from "../page_settings";
import { CopyButton, CountLink, Fact, Loaded, PageHead, disciplineWord } from "../parts";
import { useDeadLetterGroups, useQueue } from "../questions";
import { Link } from "../routing";
import { searchText } from "../search";
import { Moment } from "../time";
import { GroupTable } from "./group_table";
import { QueueBadges } from "./queue_columns";
import { QueueBounds, QueueBreaker } from "./queue_bounds";
import { FoundTasks } from "./task_list";

export function QueuePage({ name }: { name: string }) {
  const reading = useQueue(name);
  const groups = useDeadLetterGroups(name);
  const queue = reading.data;
  return (
    <>
      <PageHead
        title={name}
        up={{ href: to.queues(), label: "Queues" }}
        aside={queue && <QueueBadges queue={queue} />}
      >
        {queue && <QueueActions queue={queue} />}
      </PageHead>
      <Loaded reading={reading}>
        {(loaded) => (
          <>
            <Depth queue={loaded} />
            <div className="columns">
              <Activity queue={loaded} />
              <QueueBounds queue={loaded} />
              <QueueBreaker queue={loaded} />
            </div>
            {loaded.stats!.deadLetters > 0 && (
              <section aria-labelledby="failures">
                <h2 id="failures">
                  <Link href={to.dead({ queue: name })}>Dead letters</Link>
                </h2>
                <Loaded reading={groups}>
                  {(found) => <GroupTable groups={found.groups.slice(0, 10)} inQueue />}
                </Loaded>
              </section>
            )}
            <section aria-labelledby="tasks">
              <h2 id="tasks">
                <Link href={to.tasks(searchText({ queue: name }))}>Tasks</Link>
              </h2>
              <FoundTasks filter={searchText({ queue: name })} inQueue />
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}

function QueueActions({ queue }: { queue: Queue }) {
  const [chosen, choose] = useState<Action<Queue>>();
  const name = queue.config!.name;
  const pause = () =>
    perform(
      () => queueService.pauseQueue({ name }),
      `${name} is paused.`,
      () => void resume(),
    );
  const resume = () =>
    perform(
      () => queueService.resumeQueue({ name }),
      `${name} is resumed.`,
      () => void pause(),
    );
  const open = () =>
    perform(() => queueService.updateQueue({ name, closed: false }), `${name} is open.`);
  return (
    <>
      <CopyButton text={`treadle queue show ${shellWord(name)}`} label="Copy as command" />
      {actionsAllowed && (
        <>
          {queue.paused ? (
            <button type="button" className="primary" onClick={() => void resume()}>
              Resume
            </button>
          ) : (
            <button type="button" onClick={() => void pause()}>
              Pause
            </button>
          )}
          {queue.closed ? (
            <button type="button" onClick={() => void open()}>
              Open
            </button>
          ) : (
            <button type="button" onClick={() => choose(closeQueues)}>
              Close …
            </button>
          )}
          <button type="button" onClick={() => choose(purgeQueues)}>
            Purge …
          </button>
          <button type="button" onClick={() => choose(deleteQueues)}>
            Delete …
          </button>
        </>
      )}
      {chosen && (
        <ActionDialog
          action={chosen}
          scopes={[here("queue", `The queue ${name}.`, [queue])]}
          onClose={() => choose(undefined)}
        />
      )}
    </>
  );
}

function Depth({ queue }: { queue: Queue }) {
  const { config, stats } = queue;
  const tasks = (state: string) => to.tasks(searchText({ queue: config!.name, state }));
  const share = Math.max(
    (stats!.queued + stats!.scheduled) / config!.maxTasks,
    stats!.waitingBytes / config!.maxBytes,
  );
  return (
    <dl className="figures">
      <div>
        <dt>Ready</dt>
        <dd className="value">
          <CountLink n={stats!.queued} href={tasks("queued")} />
        </dd>
        <dd className="detail">
          {stats!.oldestAgeMs ? `the oldest for ${duration(stats!.oldestAgeMs)}` : "none waits"}
        </dd>
      </div>
      <div>
        <dt>Running</dt>
        <dd className="value">
          <CountLink n={stats!.running} href={tasks("running")} />
        </dd>
        <dd className="detail">{rate(stats!.finishedPerSecond)} end each second</dd>
      </div>
      <div>
        <dt>Scheduled</dt>
        <dd className="value">
          <CountLink n={stats!.scheduled} href={tasks("scheduled")} />
        </dd>
        <dd className="detail">for later, or to be tried again</dd>
      </div>
      <div>
        <dt>Dead letters</dt>
        <dd className="value">
          <CountLink n={stats!.deadLetters} href={to.dead({ queue: config!.name })} tone="bad" />
        </dd>
        <dd className="detail">{bytes(stats!.deadLetterBytes)}</dd>
      </div>
      <div>
        <dt>Full</dt>
        <dd className="value">{share > 0 && share < 0.01 ? "<1" : Math.round(share * 100)} %</dd>
        <dd className="detail">
          {counted(stats!.waitingSubmitters, "submit waits", "submits wait")} for room
        </dd>
      </div>
    </dl>
  );
}

function Activity({ queue }: { queue: Queue }) {
  const { config, stats } = queue;
  const unfinished = stats!.queued + stats!.scheduled + stats!.running;
  const ended = (state: string, n: number) => (
    <CountLink n={n} href={to.tasks(searchText({ queue: config!.name, state }))} />
  );
  return (
    <section aria-labelledby="activity">
      <h2 id="activity">Activity</h2>
      <dl className="facts">
        <Fact name="Order">{disciplineWord(config!.discipline)}</Fact>
        <Fact name="Made">
          <Moment at={queue.createdAtMs} />
        </Fact>
        {queue.paused && (
          <Fact name={queue.circuitOpen ? "Circuit open" : "Paused"}>
            <Moment at={queue.pausedAtMs} />
            {queue.resumeAtMs > 0 && (
              <>
                , until <Moment at={queue.resumeAtMs} />
              </>
            )}
          </Fact>
        )}
        {queue.pauseReason && <Fact name="Because">{queue.pauseReason}</Fact>}
        {queue.closed && (
          <Fact name="Closed">
            {unfinished > 0 ? `${counted(unfinished, "task")} to finish` : "all has ended"}
          </Fact>
        )}
        <Fact name="Come, end, each second">
          {rate(stats!.submittedPerSecond)}, {rate(stats!.finishedPerSecond)}
        </Fact>
        <Fact name="Submitted">{count(stats!.submittedTotal)}</Fact>
        <Fact name="Succeeded">{ended("succeeded", stats!.succeededTotal)}</Fact>
        <Fact name="Failed">{ended("failed", stats!.failedTotal)}</Fact>
        <Fact name="Cancelled">{ended("cancelled", stats!.cancelledTotal)}</Fact>
        <Fact name="Expired">{ended("expired", stats!.expiredTotal)}</Fact>
        <Fact name="Tried again">{count(stats!.retriedTotal)}</Fact>
      </dl>
      <p className="dim">Totals count since the broker started.</p>
    </section>
  );
}
