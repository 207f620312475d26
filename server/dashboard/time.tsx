// Times as people think of them, with the exact one on hover. They are the broker's: its clock
// counts, whatever this machine's says.
import { useSyncExternalStore } from "react";

import { coarse, dateTime } from "./format";

let aheadMs = 0;

// Called with each answer that says what the broker's clock says.
export function noteBrokerTime(nowMs: number) {
  const ahead = nowMs - Date.now();
  // Below a second it is the network; a steady figure keeps the page from flickering.
  if (Math.abs(ahead - aheadMs) > 1_000) aheadMs = Math.abs(ahead) > 1_000 ? ahead : 0;
}

export const brokerNow = (): number => Date.now() + aheadMs;

const listeners = new Set<() => void>();
setInterval(() => {
  if (!document.hidden) listeners.forEach((listener) => listener());
}, 1_000);

function onSecond(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// "12 s ago", "in 3 min".
function relative(atMs: number): string {
  const seconds = Math.round((brokerNow() - atMs) / 1_000);
  if (seconds === 0) return "now";
  return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
}

// A moment; 0: none.
export function Moment({ at, none = "–" }: { at: number; none?: string }) {
  const text = useSyncExternalStore(onSecond, () => (at ? relative(at) : none));
  if (!at) return <>{none}</>;
  return (
    <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>
      {text}
    </time>
  );
}
