// What a table of queues shows.
import { to } from "../addresses";
import type { Queue } from "../api";
import { isFull, isOld } from "../attention";
import { duration, rate } from "../format";
import { Badge, CountLink } from "../parts";
import { searchText } from "../search";
import { type Column, RowLink } from "../table";

export function QueueBadges({ queue }: { queue: Queue }) {
  return (
    <>
      {queue.paused && !queue.circuitOpen && <Badge tone="warning">paused</Badge>}
      {queue.circuitOpen && <Badge tone="bad">circuit open</Badge>}
      {queue.closed && <Badge tone="warning">closed</Badge>}
      {isFull(queue) && <Badge tone="bad">full</Badge>}
      {isOld(queue) && <Badge tone="warning">waits</Badge>}
    </>
  );
}

const tasksOf = (queue: Queue, state: string): string =>
  to.tasks(searchText({ queue: queue.config!.name, state }));

export const QUEUE_COLUMNS: Column<Queue>[] = [
  {
    key: "name",
    title: "Queue",
    order: ({ config }) => config!.name,
    fill: true,
    cell: (queue) => (
      <>
        <RowLink href={to.queue(queue.config!.name)}>{queue.config!.name}</RowLink>{" "}
        <QueueBadges queue={queue} />
      </>
    ),
  },
  {
    key: "ready",
    title: "Ready",
    hint: "Runnable, and waiting for a worker's free slot",
    numeric: true,
    order: ({ stats }) => stats!.queued,
    cell: (queue) => <CountLink n={queue.stats!.queued} href={tasksOf(queue, "queued")} />,
  },
  {
    key: "running",
    title: "Running",
    numeric: true,
    order: ({ stats }) => stats!.running,
    cell: (queue) => <CountLink n={queue.stats!.running} href={tasksOf(queue, "running")} />,
  },
  {
    key: "scheduled",
    title: "Scheduled",
    hint: "For later, or waiting to be tried again",
    numeric: true,
    wide: true,
    order: ({ stats }) => stats!.scheduled,
    cell: (queue) => <CountLink n={queue.stats!.scheduled} href={tasksOf(queue, "scheduled")} />,
  },
  {
    key: "dead",
    title: "Dead letters",
    numeric: true,
    order: ({ stats }) => stats!.deadLetters,
    cell: (queue) => (
      <CountLink
        n={queue.stats!.deadLetters}
        href={to.dead({ queue: queue.config!.name })}
        tone="bad"
      />
    ),
  },
  {
    key: "oldest",
    title: "Oldest waits",
    numeric: true,
    order: ({ stats }) => stats!.oldestAgeMs,
    cell: ({ stats }) =>
      stats!.oldestAgeMs ? duration(stats!.oldestAgeMs) : <span className="zero">–</span>,
  },
  {
    key: "in",
    title: "In/s",
    hint: "Submitted, mean over the last ten seconds",
    numeric: true,
    wide: true,
    order: ({ stats }) => stats!.submittedPerSecond,
    cell: ({ stats }) => <Rate of={stats!.submittedPerSecond} />,
  },
  {
    key: "out",
    title: "Out/s",
    hint: "Ended, mean over the last ten seconds",
    numeric: true,
    wide: true,
    order: ({ stats }) => stats!.finishedPerSecond,
    cell: ({ stats }) => <Rate of={stats!.finishedPerSecond} />,
  },
];

function Rate({ of }: { of: number }) {
  return of === 0 ? <span className="zero">0</span> : <>{rate(of)}</>;
}
