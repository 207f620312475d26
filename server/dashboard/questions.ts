// What the pages ask the broker. Whatever several of them show has one key, and is asked once.
import {
  type Charts,
  type DeadLetter,
  type DeadLetterGroup,
  type Queue,
  type ServerInfo,
  type TaskReason,
  type Worker,
  adminService,
  deadLetterService,
  queueService,
  taskService,
} from "./api";
import { SPANS, type SpanName, follow } from "./chart_history";
import { type Reading, usePoll } from "./polling";
import { brokerNow, noteBrokerTime } from "./time";

const PAGE_SIZE = 1_000; // The most that the broker gives.

// Goes through the pages of a list. `ask` is called with the token of each page.
export async function* pages<A extends { nextPageToken: string }>(
  ask: (pageToken: string) => Promise<A>,
): AsyncGenerator<A> {
  let token = "";
  do {
    const page = await ask(token);
    yield page;
    token = page.nextPageToken;
  } while (token !== "");
}

export async function listQueues(signal?: AbortSignal): Promise<Queue[]> {
  const queues: Queue[] = [];
  const ask = (pageToken: string) =>
    queueService.listQueues({ pageSize: PAGE_SIZE, pageToken }, signal);
  for await (const page of pages(ask)) queues.push(...page.queues);
  return queues;
}

async function listWorkers(signal: AbortSignal): Promise<Worker[]> {
  const workers: Worker[] = [];
  const ask = (pageToken: string) =>
    adminService.listWorkers({ pageSize: PAGE_SIZE, pageToken }, signal);
  for await (const page of pages(ask)) workers.push(...page.workers);
  return workers;
}

export function useServer(): Reading<ServerInfo> {
  return usePoll("server", async (signal) => {
    const { server } = await adminService.getServerInfo({}, signal);
    if (server) noteBrokerTime(server.nowMs);
    return server!;
  });
}

const followed: Partial<Record<SpanName, Charts>> = {};

export function useCharts(name: SpanName): Reading<Charts> {
  return usePoll(`charts ${name}`, async (signal) => {
    const { span, ms } = SPANS[name];
    const afterMs = followed[name]?.timeMs.at(-1) ?? 0;
    const { charts } = await adminService.getCharts({ span, afterMs }, signal);
    return (followed[name] = follow(followed[name], afterMs, charts!, ms));
  });
}

export const useQueues = (): Reading<Queue[]> => usePoll("queues", listQueues);

export function useQueue(name: string): Reading<Queue> {
  return usePoll(`queue ${name}`, async (signal) => {
    const { queue } = await queueService.getQueue({ name }, signal);
    return queue!;
  });
}

export const useWorkers = (): Reading<Worker[]> => usePoll("workers", listWorkers);

export interface DeadLetterGroups {
  groups: DeadLetterGroup[];
  // There are smaller ones, which are not among `groups`.
  more: boolean;
}

// The largest groups of a queue, or of all.
export function useDeadLetterGroups(queue = ""): Reading<DeadLetterGroups> {
  return usePoll(`groups ${queue}`, async (signal) => {
    const ask = { queue, pageSize: PAGE_SIZE };
    const { groups, nextPageToken } = await deadLetterService.listDeadLetterGroups(ask, signal);
    return { groups, more: nextPageToken !== "" };
  });
}

// All dead letters of a queue, or of one of its groups, that the filter takes, page by page. What
// fails meanwhile is left out: redriven tasks that fail at once would have no end.
export async function* listLetters(
  ask: { queue: string; group: string; filter?: string },
  signal: AbortSignal,
): AsyncGenerator<DeadLetter[]> {
  const beganAt = brokerNow();
  const next = (pageToken: string) =>
    deadLetterService.listDeadLetters({ ...ask, pageSize: PAGE_SIZE, pageToken }, signal);
  for await (const { deadLetters } of pages(next)) {
    const before = deadLetters.filter(({ task }) => task!.finishedAtMs <= beganAt);
    yield before;
    // Those that failed first come first.
    if (before.length < deadLetters.length) return;
  }
}

export interface Waiting {
  queue: string;
  taskId: string;
  reason: TaskReason;
}

// Of each queue, why its oldest runnable task does not run.
export function useWaiting(queues: string[]): Reading<Waiting[]> {
  const key = queues.length ? `waiting ${queues.join("\n")}` : undefined;
  return usePoll(key, async (signal) => {
    const explained = await Promise.all(queues.map((queue) => explainOldest(queue, signal)));
    return explained.filter((waiting): waiting is Waiting => waiting !== undefined);
  });
}

async function explainOldest(queue: string, signal: AbortSignal): Promise<Waiting | undefined> {
  const ask = { queue, states: ["TASK_STATE_QUEUED" as const], pageSize: 1 };
  const { tasks } = await taskService.listTasks(ask, signal);
  if (!tasks[0]) return undefined;
  const { taskId } = tasks[0];
  const { reasons } = await taskService.explainTask({ taskId }, signal);
  return reasons[0] && { queue, taskId, reason: reasons[0] };
}
