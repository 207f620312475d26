// The search for tasks: words like `queue:mail state:failed type:resize`. The one place that knows
// the words, and turns them into what the broker is asked.
import { type Task, type TaskState, taskService } from "./api";

export const STATES = [
  "scheduled",
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;
export type StateWord = (typeof STATES)[number];
const FINISHED: readonly string[] = ["succeeded", "failed", "cancelled", "expired"];

export interface Search {
  queue: string;
  type: string;
  states: StateWord[];
  // By these the page looks through what the broker gives: a worker's whole name, a part of the
  // last error's type or message.
  worker: string;
  error: string;
  // A task's id, alone.
  id?: string;
  // What could not be understood, and what to write.
  problem?: string;
}

// A word's value, in quotes where it has spaces.
const WORD = /(?:([a-z]+):)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;
const TASK_ID = /^[0-9a-hjkmnp-tv-z]+-[0-9a-hjkmnp-tv-z]+$/;

export function parseSearch(text: string): Search {
  const search: Search = { queue: "", type: "", states: [], worker: "", error: "" };
  for (const [whole, name, quoted, plain] of text.matchAll(WORD)) {
    const value = quoted !== undefined ? quoted.replaceAll(/\\(.)/g, "$1") : plain!;
    if (name === "state" && isState(value)) search.states.push(value);
    else if (name === "state") search.problem = `No state is "${value}": ${STATES.join(", ")}.`;
    else if (name === "queue" || name === "type" || name === "worker" || name === "error")
      search[name] = value;
    else if (name === undefined && TASK_ID.test(value)) search.id = value;
    else
      search.problem =
        `"${whole}" is not understood: write a task's id, or queue:, state:, type:, worker:, ` +
        `error: and a value, for example "queue:mail state:failed".`;
  }
  return search;
}

const isState = (word: string): word is StateWord => STATES.some((state) => state === word);

// `{queue: "my mail", state: "failed"}` as words.
export function searchText(words: Partial<Record<string, string>>): string {
  return Object.entries(words)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}:${quote(value!)}`)
    .join(" ");
}

function quote(value: string): string {
  if (/^[^\s"\\]+$/.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}

const asksForFinished = ({ states }: Search): boolean =>
  states.length === 0 || states.some((state) => FINISHED.includes(state));

// The same for the command line, which has no part of an error's message.
export function searchCommand(search: Search): string[] {
  const words = ["treadle", "task", "list"];
  if (search.queue) words.push("--queue", search.queue);
  for (const state of search.states) words.push("--state", state);
  if (search.type) words.push("--type", search.type);
  if (search.worker) words.push("--worker", search.worker);
  if (asksForFinished(search)) words.push("--all");
  return words;
}

export interface TaskPage {
  tasks: Task[];
  // Where to go on; empty: that was all.
  next: string;
}

// How many tasks one answer's page may look at for `worker:` and `error:`.
const LOOKED_AT_MAX = 5_000;

// One page of what a search finds. It may have fewer tasks than asked for while more follow.
export async function findTasks(
  search: Search,
  pageSize: number,
  after: string,
  signal?: AbortSignal,
): Promise<TaskPage> {
  const ask = {
    queue: search.queue,
    type: search.type,
    states: search.states.map((state): TaskState => `TASK_STATE_${upper(state)}`),
    includeFinished: asksForFinished(search),
  };
  const sifted = search.worker !== "" || search.error !== "";
  const found: Task[] = [];
  let looked = 0;
  let next = after;
  do {
    const size = sifted ? 1_000 : pageSize;
    const page = await taskService.listTasks({ ...ask, pageSize: size, pageToken: next }, signal);
    found.push(...page.tasks.filter((task) => matches(search, task)));
    looked += size;
    next = page.nextPageToken;
  } while (sifted && next !== "" && found.length < pageSize && looked < LOOKED_AT_MAX);
  return { tasks: found, next };
}

const upper = <S extends string>(word: S): Uppercase<S> => word.toUpperCase() as Uppercase<S>;

function matches(search: Search, task: Task): boolean {
  if (search.worker && task.worker !== search.worker) return false;
  if (!search.error) return true;
  const { type = "", message = "" } = task.lastError ?? {};
  return `${type}: ${message}`.toLowerCase().includes(search.error.toLowerCase());
}
