// The text of the search for tasks: a filter in the broker's grammar (server/search.md), which the
// broker alone reads in full. Here are the words that the page's own links stand for.
export const STATES = [
  "scheduled",
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;

// What stands between two spaces. Quotes keep spaces, also those that are not closed yet.
const WORD = /(?:"(?:[^"\\]|\\.)*"?|[^ \t\r\n"])+/g;
const STATE_WORD = /^-?state:/;
// Sessions are numbered by the time, and have ten digits at least: what is shorter is a word.
const TASK_ID = /^[0-9a-hjkmnp-tv-z]{10,11}-[0-9a-hjkmnp-tv-z]+$/;

const wordsOf = (text: string): string[] => text.match(WORD) ?? [];

// The id, if the text is a task's id and nothing else.
export const taskIdOf = (text: string): string | undefined => TASK_ID.exec(text.trim())?.[0];

// What the text says about the state: "failed"; "" when it says nothing.
export function statesIn(text: string): string {
  const words = wordsOf(text).filter((word) => STATE_WORD.test(word));
  return words.map((word) => word.replace(/^state:/, "")).join(" ");
}

// The text with another state, or with none.
export function withState(text: string, state?: string): string {
  const others = wordsOf(text).filter((word) => !STATE_WORD.test(word));
  return [...others, ...(state ? [`state:${state}`] : [])].join(" ");
}

// Jobs have an order of their own.
export const withoutOrder = (text: string): string =>
  wordsOf(text)
    .filter((word) => !word.startsWith("sort:"))
    .join(" ");

// `{queue: "my mail", state: "failed"}` as words.
export function searchText(words: Partial<Record<string, string>>): string {
  return Object.entries(words)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}:${quote(value!)}`)
    .join(" ");
}

function quote(value: string): string {
  if (/^[^\s"\\,*<>=]+$/.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}

// As an argument of a command, which would take a hyphen in front for an option.
export const argumentOf = (text: string): string => text.trim().replace(/^-/, " -");

// The same for the command line, which leaves finished tasks out unless the words name a state.
export function searchCommand(text: string): string[] {
  const words = ["treadle", "task", "list"];
  if (text.trim()) words.push(argumentOf(text));
  if (!statesIn(text)) words.push("--all");
  return words;
}

// How the grammar's words begin, each field with the sign that is meant most often.
const BEGINNINGS = [
  "queue:",
  "state:",
  "type:",
  "worker:",
  "error~",
  "error_type:",
  "age>",
  "attempts>=",
  "max_attempts:",
  "priority>=",
  "due<",
  "ran>",
  "finished<",
  "size>",
  "id:",
  "key:",
  "cancel_reason~",
  "dead:yes",
  "header.",
  "sort:age",
  "sort:-age",
];

// What the text may become by its last word.
export function completionsOf(text: string): string[] {
  const last = /[ \t\r\n]$/.test(text) ? "" : (wordsOf(text).at(-1) ?? "");
  const before = text.slice(0, text.length - last.length);
  const words = last.includes("state:") ? STATES.map((state) => `state:${state}`) : BEGINNINGS;
  const negated = words.filter((word) => !word.startsWith("sort:")).map((word) => `-${word}`);
  return [...words, ...(last.startsWith("-") ? negated : [])]
    .filter((word) => word.startsWith(last) && word !== last)
    .map((word) => before + word);
}
