// What the broker is asked again and again. A poll belongs to a key: all who show the same thing
// share one, and who comes back to a page sees what it showed last, until the answer is there.
//
// The pace is what the page's settings say, but no poll takes more than a tenth of the time: what
// takes long to answer is asked less often. Nothing is asked while the tab is hidden. While the
// broker cannot be reached, all keep what they had.
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

import { onPageSettings, pageSettings } from "./page_settings";
import { type CallError, asCallError } from "./wire";

export interface Reading<T> {
  // The latest answer, also when a later call failed.
  data?: T;
  // Of the latest call.
  error?: CallError;
}

// `before`: the latest answer, for who goes on from there.
type Read<T> = (signal: AbortSignal, before?: T) => Promise<T>;

const RETRY_MS = 2_000;
const SHARE_OF_TIME = 10;
// Polls that nobody looks at, kept for whoever comes back.
const RESTING_MAX = 40;

class Poll {
  reading: Reading<unknown> = {};
  private listeners = new Set<() => void>();
  private timer?: ReturnType<typeof setTimeout>;
  private abort?: AbortController;

  constructor(private read: Read<unknown>) {}

  get resting(): boolean {
    return this.listeners.size === 0;
  }

  // The latest caller's question: what it closes over may be newer.
  listen(listener: () => void, read: Read<unknown>): () => void {
    this.read = read;
    const first = this.resting;
    this.listeners.add(listener);
    if (first) void this.ask();
    return () => {
      this.listeners.delete(listener);
      if (this.resting) this.stop();
    };
  }

  stop() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  // Asks now. What was under way is forgotten: it may be older than what the caller has changed.
  async ask(): Promise<void> {
    this.stop();
    if (this.resting || document.hidden) return;
    const abort = new AbortController();
    this.abort = abort;
    const began = performance.now();
    let reading: Reading<unknown>;
    try {
      reading = { data: await this.read(abort.signal, this.reading.data) };
    } catch (thrown) {
      const error = asCallError(thrown);
      // What is gone is not shown any longer; what could not be asked about may well be there.
      reading = { data: error.code === "not_found" ? undefined : this.reading.data, error };
    }
    if (abort.signal.aborted) return;
    this.abort = undefined;
    this.reading = reading;
    noteContact(reading.error);
    this.listeners.forEach((listener) => listener());
    this.schedule(performance.now() - began);
  }

  private schedule(tookMs: number) {
    const intervalMs = pageSettings().refreshSeconds * 1_000;
    let waitMs = Math.max(intervalMs, tookMs * SHARE_OF_TIME);
    if (this.reading.error?.unreachable) waitMs = RETRY_MS;
    else if (intervalMs === 0) return;
    this.timer = setTimeout(() => void this.ask(), waitMs);
  }
}

const polls = new Map<string, Poll>();

function pollOf(key: string, read: Read<unknown>): Poll {
  let poll = polls.get(key);
  if (poll) return poll;
  for (const [other, { resting }] of polls) {
    if (polls.size <= RESTING_MAX) break;
    if (resting) polls.delete(other);
  }
  poll = new Poll(read);
  polls.set(key, poll);
  return poll;
}

// Asks all polls that are looked at: after an action, and when asked to.
export function refresh() {
  polls.forEach((poll) => void poll.ask());
}

document.addEventListener("visibilitychange", refresh);
onPageSettings(refresh);

// The key has all that the question depends on. Without a key nothing is asked.
export function usePoll<T>(key: string | undefined, read: Read<T>): Reading<T> {
  const latest = useRef(read);
  useEffect(() => {
    latest.current = read;
  });
  const poll = key === undefined ? undefined : pollOf(key, read as Read<unknown>);
  const subscribe = useCallback(
    (listener: () => void) =>
      poll?.listen(listener, (signal, before) => latest.current(signal, before as T)) ?? (() => {}),
    [poll],
  );
  return useSyncExternalStore(subscribe, () => poll?.reading ?? NOTHING) as Reading<T>;
}

const NOTHING: Reading<unknown> = {};

// Since when the broker cannot be reached; undefined: it can.
let lostSince: number | undefined;
const contactListeners = new Set<() => void>();

function noteContact(error: CallError | undefined) {
  const lost = error?.unreachable ?? false;
  if (lost === (lostSince !== undefined)) return;
  lostSince = lost ? Date.now() : undefined;
  contactListeners.forEach((listener) => listener());
}

export function useLostSince(): number | undefined {
  return useSyncExternalStore(
    (listener) => {
      contactListeners.add(listener);
      return () => contactListeners.delete(listener);
    },
    () => lostSince,
  );
}
