// An action on many things: goes through them page by page, tells how far it is, and can be
// stopped. It runs in the page, so it ends with it; but for all that match, where the broker has a
// job for that.
import type { DeadLetterSelection, JobSpec, TaskSelection } from "../api";
import { type Ask, asCallError } from "../wire";
import { runJob } from "./job";

export type JobAsk = Ask<JobSpec>;

// All that a job is about: dead letters or tasks.
export type Matching = Ask<DeadLetterSelection & TaskSelection>;

export interface Action<T> {
  // "Cancel": the button; "cancelled": what has become of them.
  verb: string;
  done: string;
  // Of what: "task", "tasks".
  one: string;
  many: string;
  danger?: boolean;
  // What is to be known before, in a sentence.
  note?: string;
  // What the dialog asks for.
  fields?: Field[];
  // What a dry run counts by.
  kind: (item: T) => string;
  // Does it: what has become of each item.
  act: (items: T[], values: Values, signal: AbortSignal) => Promise<Result[]>;
  // The same, done to all of these by the broker.
  job?: (all: Matching, values: Values) => JobAsk;
}

export interface Result {
  // Why it was not done.
  problem?: string;
  // The task that it has become.
  taskId?: string;
}

export interface Field {
  name: string;
  label: string;
  placeholder?: string;
  numeric?: boolean;
  // Only the broker's job can do this.
  ofJob?: boolean;
}

export type Values = Record<string, string>;

export const PACE: Field = {
  name: "pace",
  label: "At most a second",
  placeholder: "no bound",
  numeric: true,
  ofJob: true,
};
export const paceOf = ({ pace }: Values) => ({ tasksPerSecond: Number(pace) || 0 });

export interface Scope<T> {
  key: string;
  label: string;
  // Undefined: not known before they are counted.
  count?: number;
  pages: (signal: AbortSignal) => AsyncIterable<T[]>;
  // What the broker is asked for when it is to go through them.
  matching?: Matching;
}

export interface Progress {
  seen: number;
  done: number;
  // By reason, how many were not done.
  refused: Map<string, number>;
  // Of a dry run: by kind.
  kinds: Map<string, number>;
  // The first few tasks that came of it.
  taskIds: string[];
  // Of a job: why it does not go on.
  waitsFor?: string;
}

const TASK_IDS_MAX = 5;

const BATCH = 100;

// What is here already, as a scope.
export function here<T>(key: string, label: string, items: T[]): Scope<T> {
  return {
    key,
    label,
    count: items.length,
    async *pages() {
      yield items;
    },
  };
}

const add = (counts: Map<string, number>, key: string) =>
  counts.set(key, (counts.get(key) ?? 0) + 1);

// Without `values` it is a dry run. An error, the signal's among them, ends it; what was done is in
// the progress that was told last.
export async function run<T>(
  action: Action<T>,
  scope: Scope<T>,
  values: Values | undefined,
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  if (values && action.job && scope.matching) {
    return runJob(action.job(scope.matching, values), tell, signal);
  }
  const progress: Progress = {
    seen: 0,
    done: 0,
    refused: new Map(),
    kinds: new Map(),
    taskIds: [],
  };
  for await (const page of scope.pages(signal)) {
    for (let from = 0; from < page.length; from += BATCH) {
      signal.throwIfAborted();
      const items = page.slice(from, from + BATCH);
      if (values) {
        for (const { problem, taskId } of await action.act(items, values, signal)) {
          if (problem === undefined) ++progress.done;
          else add(progress.refused, problem);
          if (taskId && progress.taskIds.length < TASK_IDS_MAX) progress.taskIds.push(taskId);
        }
      } else {
        items.forEach((item) => add(progress.kinds, action.kind(item)));
      }
      progress.seen += items.length;
      tell({ ...progress });
    }
  }
  tell({ ...progress });
}

// For calls that take one thing each: some of them at once.
const AT_ONCE = 8;

export async function eachOf<T>(items: T[], act: (item: T) => Promise<unknown>): Promise<Result[]> {
  const results: Result[] = items.map(() => ({}));
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        await act(items[index]!);
      } catch (error) {
        results[index] = { problem: asCallError(error).message };
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return results;
}
