// What a task has said, as its page keeps it: the newest entries, and where to read on.
import { type OutputKind, type ReadOutputResponse, taskService } from "./api";
import { bytes } from "./format";

export const ENTRIES_MAX = 2_000;
const BYTES_MAX = 4 * 1024 * 1024;
// An entry beyond this loses its end.
const ENTRY_BYTES_MAX = 16 * 1024;
// What a Date holds; a worker's clock may say anything.
const TIME_MS_MAX = 8.64e15;
const PAGE_BYTES = 256 * 1024;
// What is read at once; the rest comes at the next reading.
const PAGES_MAX = 8;

export interface Said {
  offset: number;
  attempt: number;
  // It was already when it was read.
  superseded: boolean;
  kind: OutputKind;
  timeMs: number;
  contentType: string;
  data: Uint8Array;
  // Of `data` before it was cut.
  size: number;
  // Entries before it that the broker has not kept.
  missing: number;
}

export interface Tail {
  entries: Said[];
  nextOffset: number;
  // That counts: what earlier ones said is superseded. 0: none has begun.
  attempt: number;
  // The oldest ones, which this page keeps no more.
  dropped: number;
  // The broker has more.
  more: boolean;
  // The task has ended, and this is all.
  end: boolean;
}

export const NOTHING_SAID: Tail = {
  entries: [],
  nextOffset: 0,
  attempt: 0,
  dropped: 0,
  more: false,
  end: false,
};

export const isSuperseded = (said: Said, tail: Tail): boolean =>
  said.superseded || said.attempt < tail.attempt;

export async function readOn(
  taskId: string,
  tail: Tail = NOTHING_SAID,
  signal?: AbortSignal,
): Promise<Tail> {
  for (let page = 0; page < PAGES_MAX; ++page) {
    const ask = { taskId, offset: tail.nextOffset, bytesMax: PAGE_BYTES };
    const before = tail.nextOffset;
    tail = append(tail, await taskService.readOutput(ask, signal));
    if (!tail.more || tail.nextOffset === before) break;
  }
  return tail;
}

const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

export function append(tail: Tail, answer: ReadOutputResponse): Tail {
  const entries = [...tail.entries];
  let { attempt, nextOffset } = tail;
  let size = 0;
  for (const run of answer.runs) {
    attempt = Math.max(attempt, run.attempt);
    run.entries.forEach((entry, index) => {
      const data = fromBase64(entry.data);
      size += data.length;
      const offset = run.firstOffset + index;
      join(entries, {
        ...entry,
        timeMs: Math.max(0, Math.min(TIME_MS_MAX, entry.timeMs)),
        data: data.slice(0, ENTRY_BYTES_MAX),
        attempt: run.attempt,
        superseded: run.superseded,
        offset,
        size: data.length,
        missing: offset - nextOffset,
      });
      nextOffset = offset + 1;
    });
  }
  const tooMany = entries.length - newestOf(entries);
  return {
    entries: entries.slice(tooMany),
    nextOffset: Math.max(nextOffset, answer.nextOffset),
    attempt: Math.max(attempt, answer.attempt),
    dropped: tail.dropped + tooMany,
    // A page ends before the entry that it has no room for.
    more: !answer.end && size >= PAGE_BYTES / 2,
    end: answer.end,
  };
}

// How many of the newest are kept.
function newestOf(entries: Said[]): number {
  let left = BYTES_MAX;
  let kept = 0;
  while (kept < Math.min(entries.length, ENTRIES_MAX)) {
    left -= entries[entries.length - 1 - kept]!.data.length;
    if (left < 0) break;
    ++kept;
  }
  return kept;
}

const NEWLINE = 10;

// As a new entry, or as the rest of a line that a program had begun to write.
function join(entries: Said[], said: Said) {
  const last = entries.at(-1);
  const goesOn =
    last !== undefined &&
    last.kind === "OUTPUT_KIND_STANDARD_ERROR" &&
    last.kind === said.kind &&
    last.attempt === said.attempt &&
    last.superseded === said.superseded &&
    said.missing === 0 &&
    last.data.at(-1) !== NEWLINE;
  if (!goesOn) {
    entries.push(said);
    return;
  }
  const data = new Uint8Array(Math.min(ENTRY_BYTES_MAX, last.data.length + said.data.length));
  data.set(last.data);
  data.set(said.data.subarray(0, data.length - last.data.length), last.data.length);
  entries[entries.length - 1] = { ...last, data, size: last.size + said.size };
}

// What a terminal would take for a command: colours, and other control characters.
const COLOURS = /\u001b\[[0-?]*[ -/]*[@-~]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function textOf({ kind, data, size, contentType }: Said): string {
  let text: string;
  try {
    // The last character may have been cut.
    const fatal = kind === "OUTPUT_KIND_PART";
    text = new TextDecoder("utf-8", { fatal }).decode(data, { stream: size > data.length });
  } catch {
    return `[${bytes(size)}${contentType && ` of ${contentType}`}]`;
  }
  text = text.replace(/\r\n?/g, "\n").replace(COLOURS, "").replace(CONTROLS, "\ufffd");
  text = text.replace(/\n$/, "");
  return size > data.length ? `${text} [… ${bytes(size)} in all]` : text;
}
