// How all queues together did over the last hour or day.
import { useMemo } from "react";

import type { Charts } from "../api";
import { type Line, LineChart } from "../chart";
import type { SpanName } from "../chart_history";
import { count, duration, rate } from "../format";
import { Loaded } from "../parts";
import type { Reading } from "../polling";
import { useQuery } from "../routing";

export function ChartsOverTime({ span, reading }: { span: SpanName; reading: Reading<Charts> }) {
  return (
    <section aria-labelledby="over-time">
      <div className="filters">
        <h2 id="over-time">Over time</h2>
        <SpanChoice span={span} />
      </div>
      <Loaded reading={reading}>{(charts) => <Shown charts={charts} />}</Loaded>
    </section>
  );
}

function SpanChoice({ span }: { span: SpanName }) {
  const [, changeQuery] = useQuery();
  const choose = (name: string) => changeQuery({ charts: name === "day" ? name : undefined }, true);
  return (
    <label className="choice-box">
      <span>The last</span>
      <select value={span} onChange={(event) => choose(event.target.value)}>
        <option>hour</option>
        <option>day</option>
      </select>
    </label>
  );
}

const tasks = (n: number): string => count(Math.round(n));

// What nothing was measured of has no point.
const known = (values: number[]): (number | null)[] =>
  values.map((value) => (value < 0 ? null : value));

const quantiles = (half: number[], most: number[]): Line[] => [
  { name: "p50", tone: "accent", stroke: "solid", values: known(half) },
  { name: "p99", tone: "plain", stroke: "dashed", values: known(most) },
];

interface Chart {
  title: string;
  format: (value: number) => string;
  least: number;
  lines: (charts: Charts) => Line[];
}

const CHARTS: Chart[] = [
  {
    title: "Tasks per second",
    format: rate,
    least: 4,
    lines: ({ submittedPerSecond, succeededPerSecond, failedPerSecond }) => [
      { name: "submitted", tone: "plain", stroke: "dashed", values: submittedPerSecond },
      { name: "succeeded", tone: "accent", stroke: "solid", values: succeededPerSecond },
      { name: "failed", tone: "bad", stroke: "dotted", values: failedPerSecond },
    ],
  },
  {
    title: "Tasks",
    format: tasks,
    least: 4,
    lines: ({ queued, running, scheduled }) => [
      { name: "ready", tone: "plain", stroke: "dashed", values: queued },
      { name: "running", tone: "accent", stroke: "solid", values: running },
      { name: "scheduled", tone: "good", stroke: "dotted", values: scheduled },
    ],
  },
  {
    title: "Oldest task waits",
    format: duration,
    least: 4_000,
    lines: ({ oldestAgeMs }) => [
      { name: "for", tone: "accent", stroke: "solid", values: oldestAgeMs },
    ],
  },
  {
    title: "Waiting time",
    format: duration,
    least: 10,
    lines: ({ queueingP50Ms, queueingP99Ms }) => quantiles(queueingP50Ms, queueingP99Ms),
  },
  {
    title: "Running time",
    format: duration,
    least: 10,
    lines: ({ runningP50Ms, runningP99Ms }) => quantiles(runningP50Ms, runningP99Ms),
  },
];

function Shown({ charts }: { charts: Charts }) {
  const shown = useMemo(
    () => CHARTS.map(({ lines, ...chart }) => ({ ...chart, lines: lines(charts) })),
    [charts],
  );
  return (
    <div className="charts">
      {shown.map((chart) => (
        <LineChart key={chart.title} {...chart} times={charts.timeMs} stepMs={charts.stepMs} />
      ))}
    </div>
  );
}
