// What the broker's charts show, kept here while it is followed: each question brings the rows that
// are new.
import type { Charts } from "./api";

export const SPANS = {
  hour: { span: "CHART_SPAN_HOUR", ms: 3_600_000 },
  day: { span: "CHART_SPAN_DAY", ms: 86_400_000 },
} as const;
export type SpanName = keyof typeof SPANS;

// `kept` with what was answered when rows later than `afterMs` were asked for; `kept` itself when
// there is nothing new.
export function follow(
  kept: Charts | undefined,
  afterMs: number,
  fresh: Charts,
  spanMs: number,
): Charts {
  const last = kept?.timeMs.at(-1);
  if (!kept || last === undefined) return fresh;
  const [first] = fresh.timeMs;
  if (first === undefined) return kept;
  // The broker's clock was set back, and it tells everything anew.
  if (first <= afterMs) return fresh;
  // A clock that was moved by less than a step lets a row come twice.
  const from = fresh.timeMs.findIndex((time) => time >= last + fresh.stepMs / 2);
  if (from < 0) return kept;
  const oldest = fresh.timeMs.at(-1)! - spanMs;
  const gone = kept.timeMs.filter((time) => time <= oldest).length;
  const columns = Object.entries(fresh).map(([name, column]) => [
    name,
    Array.isArray(column)
      ? [...(kept[name as keyof Charts] as number[]).slice(gone), ...column.slice(from)]
      : column,
  ]);
  return Object.fromEntries(columns) as Charts;
}

// How many tasks failed in the hour before the latest row. A row's rates are the mean since the row
// before, or since the broker's start when that was later.
export function failedInHour(charts: Charts, startedAtMs: number): number {
  const { timeMs, stepMs, failedPerSecond } = charts;
  const from = (timeMs.at(-1) ?? 0) - SPANS.hour.ms;
  let failed = 0;
  timeMs.forEach((time, i) => {
    const before = timeMs[i - 1] ?? time - stepMs;
    const since = before < startedAtMs && startedAtMs < time ? startedAtMs : before;
    if (time > from) failed += (failedPerSecond[i]! * (time - since)) / 1_000;
  });
  return Math.round(failed);
}
