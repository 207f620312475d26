// What needs attention: from what the broker tells of its queues, groups of dead letters, workers
// and disk. Each with what to do, and a link to where it is done.
import { to } from "./addresses";
import type { DeadLetterGroup, Queue, ServerInfo, TaskReason, Worker } from "./api";
import { bytes, count, counted, duration } from "./format";
import type { Waiting } from "./questions";

export interface Attention {
  key: string;
  // Bad: work is held up, or lost its way. Warning: it may be meant so.
  level: "bad" | "warning";
  title: string;
  text: string;
  href: string;
}

// From this age on, a runnable task that waits is worth a look.
export const OLD_MS = 60_000;
// A group to which something came this recently is growing.
const GROWING_MS = 10 * 60_000;
// Of one kind, so many are listed one by one; more are counted.
const LISTED_MAX = 3;

export const isFull = ({ config, stats }: Queue): boolean =>
  stats!.scheduled + stats!.queued >= config!.maxTasks ||
  stats!.waitingBytes >= config!.maxBytes ||
  stats!.waitingSubmitters > 0;

export const isOld = (queue: Queue): boolean => !queue.paused && queue.stats!.oldestAgeMs >= OLD_MS;

export const isGrowing = (group: DeadLetterGroup, nowMs: number): boolean =>
  nowMs - group.lastAtMs < GROWING_MS;

// Those whose oldest task is to be explained.
export function oldest(queues: Queue[]): string[] {
  return queues
    .filter(isOld)
    .sort((a, b) => b.stats!.oldestAgeMs - a.stats!.oldestAgeMs)
    .slice(0, LISTED_MAX)
    .map((queue) => queue.config!.name);
}

export interface Known {
  server?: ServerInfo;
  queues?: Queue[];
  groups?: DeadLetterGroup[];
  workers?: Worker[];
  waiting?: Waiting[];
  nowMs: number;
}

export function findAttention(known: Known): Attention[] {
  const found = [
    ...ofDisk(known.server),
    ...ofQueues(known.queues ?? [], known.waiting ?? []),
    ...ofGroups(known.groups ?? [], known.nowMs),
    ...ofWorkers(known.workers ?? []),
  ];
  return found.sort((a, b) => Number(a.level === "warning") - Number(b.level === "warning"));
}

function ofDisk(server: ServerInfo | undefined): Attention[] {
  if (!server?.diskHungMs) return [];
  return [
    {
      key: "disk",
      level: "bad",
      title: `The broker's disk has not answered for ${duration(server.diskHungMs)}`,
      text: "Submits, outcomes and dispatches wait for it. Look at the disk and its controller.",
      href: to.system(),
    },
  ];
}

// A few one by one, many as one.
function listed<T>(
  items: T[],
  one: (item: T) => Attention,
  many: (n: number) => Attention,
): Attention[] {
  return items.length <= LISTED_MAX ? items.map(one) : [many(items.length)];
}

function ofQueues(queues: Queue[], waiting: Waiting[]): Attention[] {
  return [
    ...ofOld(queues.filter(isOld), waiting),
    ...listed(queues.filter(isFull), fullQueue, (n) => ({
      key: "full",
      level: "bad",
      title: `${count(n)} queues are full`,
      text: "Their submits wait or are refused: add workers, or raise their bounds.",
      href: to.queues({ only: "full" }),
    })),
    ...listed(
      queues.filter((queue) => queue.paused),
      pausedQueue,
      (n) => ({
        key: "paused",
        level: "warning",
        title: `${count(n)} queues are paused`,
        text: "They take tasks and start none until they are resumed.",
        href: to.queues({ only: "paused" }),
      }),
    ),
    ...listed(
      queues.filter((queue) => queue.closed),
      ({ config }) => ({
        key: `closed ${config!.name}`,
        level: "warning",
        title: `${config!.name} is closed`,
        text: "It refuses new tasks until it is opened again.",
        href: to.queue(config!.name),
      }),
      (n) => ({
        key: "closed",
        level: "warning",
        title: `${count(n)} queues are closed`,
        text: "They refuse new tasks until they are opened again.",
        href: to.queues({ only: "closed" }),
      }),
    ),
  ];
}

// Those that are explained, and how many there are besides.
function ofOld(queues: Queue[], waiting: Waiting[]): Attention[] {
  const ages = new Map(queues.map((queue) => [queue.config!.name, queue.stats!.oldestAgeMs]));
  const explained = waiting.filter(({ queue }) => ages.has(queue));
  const found = explained.map(({ queue, taskId, reason }): Attention => {
    const never = reason.end === "REASON_END_BY_OPERATOR";
    return {
      key: `old ${queue}`,
      level: never ? "bad" : "warning",
      title: `${queue}: a task has waited for ${duration(ages.get(queue)!)}`,
      text: explain(reason),
      href: to.task(taskId),
    };
  });
  const rest = queues.length - explained.length;
  if (rest > 0 && explained.length > 0)
    found.push({
      key: "old",
      level: "warning",
      title: `${counted(rest, "more queue has", "more queues have")} tasks that wait for long`,
      text: "Look at who serves them.",
      href: to.queues({ only: "old" }),
    });
  return found;
}

// A reason as a sentence, and its advice as another. A worker's name stays as it is.
function sentence(text: string, names: string[]): string {
  const named = names.some((name) => text.startsWith(name));
  const begun = named ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return begun === "" || /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export const reasonText = ({ text, workers }: TaskReason): string => sentence(text, workers);
export const adviceText = ({ advice, workers }: TaskReason): string => sentence(advice, workers);

const explain = (reason: TaskReason): string =>
  `${reasonText(reason)} ${adviceText(reason)}`.trim();

function fullQueue({ config, stats }: Queue): Attention {
  const waits = stats!.waitingSubmitters;
  return {
    key: `full ${config!.name}`,
    level: "bad",
    title: `${config!.name} is full`,
    text:
      `${count(stats!.scheduled + stats!.queued)} of ${count(config!.maxTasks)} tasks and ` +
      `${bytes(stats!.waitingBytes)} of ${bytes(config!.maxBytes)} wait` +
      `${waits ? `, and ${counted(waits, "submit")} for room` : ""}: ` +
      "add workers, or raise its bounds.",
    href: to.queue(config!.name),
  };
}

function pausedQueue({ config, stats, circuitOpen, pauseReason }: Queue): Attention {
  const why = pauseReason && `${pauseReason}. `;
  return {
    key: `paused ${config!.name}`,
    level: circuitOpen ? "bad" : "warning",
    title: `${config!.name} is paused${circuitOpen ? " by its circuit breaker" : ""}`,
    text: `${why}${counted(stats!.queued, "task is", "tasks are")} held until it is resumed.`,
    href: to.queue(config!.name),
  };
}

function ofGroups(groups: DeadLetterGroup[], nowMs: number): Attention[] {
  const growing = groups
    .filter((group) => isGrowing(group, nowMs))
    .sort((a, b) => b.count - a.count)
    .slice(0, LISTED_MAX);
  return growing.map((group) => ({
    key: `group ${group.queue} ${group.group}`,
    level: "bad",
    title: `${group.type} fails in ${group.queue}: ${group.errorType}`,
    text: `${counted(group.count, "dead letter")}: ${group.errorMessage.split("\n")[0]}`,
    href: to.deadGroup(group.queue, group.group),
  }));
}

function ofWorkers(workers: Worker[]): Attention[] {
  return [
    ...listed(
      workers.filter((worker) => !worker.connected),
      (worker): Attention => ({
        key: `away ${worker.workerId}`,
        level: "bad",
        title: `${worker.name} has lost its connection`,
        text: "What it runs goes on if it comes back before its leases end; look at its host.",
        href: to.worker(worker.workerId),
      }),
      (n) => ({
        key: "away",
        level: "bad",
        title: `${count(n)} workers have lost their connections`,
        text: "Look at their hosts, and at the network.",
        href: to.workers({ only: "away" }),
      }),
    ),
    ...listed(
      workers.filter(({ connected, draining, quarantine }) => connected && !draining && quarantine),
      ({ workerId, name, quarantine }): Attention => ({
        key: `quarantined ${workerId}`,
        level: "bad",
        title: `${name} is in quarantine`,
        text:
          `${counted(quarantine!.failed, "attempt")} failed one after the other, the last with ` +
          `${quarantine!.error!.type}. Mend it, then release the worker.`,
        href: to.worker(workerId),
      }),
      (n) => ({
        key: "quarantined",
        level: "bad",
        title: `${count(n)} workers are in quarantine`,
        text: "Their attempts failed one after the other. Mend what fails, then release them.",
        href: to.workers({ only: "quarantined" }),
      }),
    ),
    ...listed(
      workers.filter((worker) => worker.connected && worker.draining),
      (worker): Attention => ({
        key: `draining ${worker.workerId}`,
        level: "warning",
        title: `${worker.name} is draining`,
        text: "It finishes what it runs, takes no more, and ends.",
        href: to.worker(worker.workerId),
      }),
      (n) => ({
        key: "draining",
        level: "warning",
        title: `${count(n)} workers are draining`,
        text: "They finish what they run, take no more, and end.",
        href: to.workers({ only: "draining" }),
      }),
    ),
  ];
}
