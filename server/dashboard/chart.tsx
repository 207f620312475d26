// Lines over time. Each line has a dash pattern beside its colour, and the latest figures stand in
// the legend as text, which is also what a screen reader is told.
import {
  Chart,
  type ChartDataset,
  Filler,
  LineController,
  LineElement,
  LinearScale,
  PointElement,
  Tooltip,
} from "chart.js";
import { useEffect, useRef, useSyncExternalStore } from "react";

import { usePageSettings } from "./page_settings";

Chart.register(LineController, LineElement, PointElement, LinearScale, Filler, Tooltip);

const DASHES = { solid: [], dashed: [4, 3], dotted: [1, 3] };

// Where more than these are missing, the line is broken.
const GAP_STEPS = 2.5;

// Without a neighbour there is no line to it.
const isAlone = (values: Line["values"], i: number): boolean =>
  (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null;

export interface Line {
  name: string;
  // A class of style/pages.css that has the line's colour.
  tone: "accent" | "good" | "bad" | "plain";
  stroke: keyof typeof DASHES;
  values: (number | null)[];
}

interface Props {
  title: string;
  times: number[]; // Unix milliseconds, ascending.
  stepMs: number; // Between two of them, unless some are missing.
  lines: Line[];
  format: (value: number) => string;
  // The axis reaches so far at least: nothing is not to look like something.
  least: number;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const darkness = matchMedia("(prefers-color-scheme: dark)");

// The colours come from the style sheet, so a chart is drawn anew when that changes.
function useDark(): string {
  const { theme } = usePageSettings();
  const dark = useSyncExternalStore(
    (listener) => {
      darkness.addEventListener("change", listener);
      return () => darkness.removeEventListener("change", listener);
    },
    () => darkness.matches,
  );
  return `${theme} ${dark}`;
}

export function LineChart({ title, times, stepMs, lines, format, least }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const chart = useRef<Chart>();
  const look = useDark();

  useEffect(() => {
    const created = new Chart(canvas.current!, { type: "line", data: { datasets: [] } });
    chart.current = created;
    return () => created.destroy();
  }, []);

  useEffect(() => {
    const drawn = chart.current!;
    const text = getComputedStyle(legend.current!).color;
    const marks = [...legend.current!.querySelectorAll(".mark")];
    drawn.data.datasets = lines.map((line, index): ChartDataset<"line"> => {
      const colour = getComputedStyle(marks[index]!).color;
      return {
        label: line.name,
        data: times.map((x, i) => ({ x, y: line.values[i] ?? null })) as { x: number; y: number }[],
        borderColor: colour,
        backgroundColor: colour,
        borderDash: DASHES[line.stroke],
        spanGaps: stepMs * GAP_STEPS,
        pointRadius: line.values.map((_, i) => (isAlone(line.values, i) ? 1.5 : 0)),
      };
    });
    drawn.options = chartOptions(text, times, format, least);
    drawn.update("none");
  }, [times, lines, look]);

  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
        <ul ref={legend} className="legend">
          {lines.map((line) => (
            <li key={line.name}>
              <span className={`mark ${line.tone} ${line.stroke}`} />
              {line.name} <strong>{latest(line, format)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div className="canvas">
        <canvas ref={canvas} role="img" aria-label={describe(title, lines, format)} />
      </div>
    </figure>
  );
}

function latest(line: Line, format: (value: number) => string): string {
  const value = line.values.findLast((v) => v !== null);
  return value === undefined || value === null ? "–" : format(value);
}

function describe(title: string, lines: Line[], format: (value: number) => string): string {
  return `${title}: ${lines.map((line) => `${line.name} ${latest(line, format)}`).join(", ")}`;
}

function chartOptions(
  text: string,
  times: number[],
  format: (value: number) => string,
  least: number,
) {
  const grid = { color: "rgba(128, 128, 128, 0.15)", drawBorder: false, drawTicks: false };
  return {
    animation: false as const,
    responsive: true,
    maintainAspectRatio: false,
    parsing: false as const,
    normalized: true,
    interaction: { mode: "index" as const, intersect: false },
    elements: { point: { hitRadius: 8 }, line: { borderWidth: 1.5 } },
    scales: {
      x: {
        type: "linear" as const,
        min: times[0],
        max: times[times.length - 1],
        grid: { ...grid, display: false },
        ticks: {
          color: text,
          maxRotation: 0,
          maxTicksLimit: 4,
          includeBounds: true,
          callback: (value: string | number) => clock.format(Number(value)),
        },
      },
      y: {
        beginAtZero: true,
        suggestedMax: least,
        grid,
        ticks: {
          color: text,
          maxTicksLimit: 4,
          padding: 6,
          callback: (value: string | number) => (Number(value) === 0 ? "0" : format(Number(value))),
        },
      },
    },
    plugins: {
      tooltip: {
        callbacks: {
          title: (items: { parsed: { x: number } }[]) => clock.format(items[0]?.parsed.x),
          label: (item: { dataset: { label?: string }; parsed: { y: number } }) =>
            ` ${item.dataset.label}: ${format(item.parsed.y)}`,
        },
      },
    },
  };
}
