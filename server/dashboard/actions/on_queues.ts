import { type Queue, queueService } from "../api";
import { type Action, eachOf } from "./bulk";

const nameOf = (queue: Queue): string => queue.config!.name;

type Call = (name: string, signal: AbortSignal) => Promise<unknown>;

function onQueues(words: Partial<Action<Queue>>, verb: string, done: string, call: Call) {
  const action: Action<Queue> = {
    verb,
    done,
    one: "queue",
    many: "queues",
    kind: nameOf,
    act: (queues, _values, signal) => eachOf(queues, (queue) => call(nameOf(queue), signal)),
    ...words,
  };
  return action;
}

export const pauseQueues = onQueues(
  { note: "A paused queue takes tasks and starts none. What runs goes on." },
  "Pause",
  "paused",
  (name, signal) => queueService.pauseQueue({ name }, signal),
);

export const resumeQueues = onQueues({}, "Resume", "resumed", (name, signal) =>
  queueService.resumeQueue({ name }, signal),
);

export const closeQueues = onQueues(
  { note: "A closed queue refuses new tasks. What is in it runs as before." },
  "Close",
  "closed",
  (name, signal) => queueService.updateQueue({ name, closed: true }, signal),
);

export const openQueues = onQueues({}, "Open", "opened", (name, signal) =>
  queueService.updateQueue({ name, closed: false }, signal),
);

export const purgeQueues = onQueues(
  {
    danger: true,
    note: "Cancels every task that is not running.",
    // How much would go is what a dry run is for.
    kind: ({ config, stats }) => `${config!.name}: ${stats!.queued + stats!.scheduled} tasks`,
  },
  "Purge",
  "purged",
  (name, signal) => queueService.purgeQueue({ name }, signal),
);

export const deleteQueues = onQueues(
  { danger: true, note: "Only queues without unfinished tasks and dead letters can be deleted." },
  "Delete",
  "deleted",
  (name, signal) => queueService.deleteQueue({ name }, signal),
);
