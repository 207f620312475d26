// What the overview's charts show: sums over all queues, as often as the page has asked.
import { useEffect, useState } from "react";

import type { Queue } from "./api";

export interface Totals {
  at: number;
  ready: number;
  running: number;
  scheduled: number;
  submittedPerSecond: number;
  finishedPerSecond: number;
  oldestAgeMs: number;
  // Since the broker started.
  failed: number;
  deadLetters: number;
}

export interface Sample extends Totals {
  // Since the sample before.
  failedPerSecond: number;
}

export function totalsOf(queues: Queue[], at: number): Totals {
  const totals: Totals = {
    at,
    ready: 0,
    running: 0,
    scheduled: 0,
    submittedPerSecond: 0,
    finishedPerSecond: 0,
    oldestAgeMs: 0,
    failed: 0,
    deadLetters: 0,
  };
  for (const { stats } of queues) {
    if (!stats) continue;
    totals.ready += stats.queued;
    totals.running += stats.running;
    totals.scheduled += stats.scheduled;
    totals.submittedPerSecond += stats.submittedPerSecond;
    totals.finishedPerSecond += stats.finishedPerSecond;
    totals.oldestAgeMs = Math.max(totals.oldestAgeMs, stats.oldestAgeMs);
    totals.failed += stats.failedTotal;
    totals.deadLetters += stats.deadLetters;
  }
  return totals;
}

// At the quickest pace, ten minutes.
const SAMPLES_MAX = 600;

let samples: readonly Sample[] = [];

// A broker that was started anew, and a queue that was deleted, let the total go back.
function failureRate(before: Totals, now: Totals): number {
  return Math.max(0, ((now.failed - before.failed) * 1_000) / (now.at - before.at));
}

// All samples so far, with the latest one in it.
export function useHistory(totals: Totals | undefined): readonly Sample[] {
  const [shown, show] = useState(samples);
  useEffect(() => {
    const last = samples.at(-1);
    if (!totals || totals.at <= (last?.at ?? 0)) return;
    const failedPerSecond = last ? failureRate(last, totals) : 0;
    samples = [...samples.slice(1 - SAMPLES_MAX), { ...totals, failedPerSecond }];
    show(samples);
  }, [totals]);
  return shown;
}
