import type { FailedAttempt } from "../api";
import { duration } from "../format";
import { type Column, Table } from "../table";
import { Moment } from "../time";

const COLUMNS: Column<FailedAttempt>[] = [
  { key: "attempt", title: "#", numeric: true, cell: ({ error }) => error?.attempt },
  {
    key: "error",
    title: "Error",
    fill: true,
    cell: ({ error }) => (
      <span title={error?.message}>
        {error?.type}: <span className="dim">{error?.message.split("\n")[0]}</span>
      </span>
    ),
  },
  { key: "worker", title: "Worker", cell: ({ error }) => error?.worker },
  {
    key: "waited",
    title: "Waited",
    hint: "From when it could run until a worker took it",
    numeric: true,
    cell: ({ runnableAtMs, leasedAtMs }) => duration(leasedAtMs - runnableAtMs),
  },
  {
    key: "ran",
    title: "Ran",
    numeric: true,
    cell: ({ startedAtMs, leasedAtMs, endedAtMs }) =>
      duration(endedAtMs - (startedAtMs || leasedAtMs)),
  },
  {
    key: "ended",
    title: "Ended",
    numeric: true,
    cell: ({ endedAtMs }) => <Moment at={endedAtMs} />,
  },
];

// The first three and the last five are kept.
export function AttemptsTable({ attempts, of }: { attempts: FailedAttempt[]; of: number }) {
  if (attempts.length === 0) return null;
  return (
    <section aria-labelledby="attempts">
      <h2 id="attempts">Attempts that failed</h2>
      <Table
        label="Attempts that failed"
        columns={COLUMNS}
        rows={attempts}
        keyOf={({ error, endedAtMs }) => `${error?.attempt} ${endedAtMs}`}
        empty="None."
      />
      {of > attempts.length + 1 && (
        <p className="dim">Of {of} attempts the first three and the last five are kept.</p>
      )}
    </section>
  );
}
