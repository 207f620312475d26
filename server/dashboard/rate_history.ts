// What the overview's charts show: sums over all queues, as often as the page has asked.
import { useEffect, useState } from "react";

import type { Queue } from "./api";

export interface Sample {
  at: number;
  ready: number;
  running: number;
  submittedPerSecond: number;
  finishedPerSecond: number;
  oldestAgeMs: number;
}

export interface Totals extends Sample {
  scheduled: number;
  failed: number;
  deadLetters: number;
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

// All samples so far, with the latest one in it.
export function useHistory(totals: Totals | undefined): readonly Sample[] {
  const [shown, show] = useState(samples);
  useEffect(() => {
    if (!totals || totals.at <= (samples.at(-1)?.at ?? 0)) return;
    samples = [...samples.slice(1 - SAMPLES_MAX), totals];
    show(samples);
  }, [totals]);
  return shown;
}
