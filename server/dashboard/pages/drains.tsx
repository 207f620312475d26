// The drains that stand: workers that match one get no tasks, and are told to end.
import { type Drain, adminService } from "../api";
import { count } from "../format";
import { perform } from "../notices";
import { actionsAllowed } from "../page_settings";
import { Loaded } from "../parts";
import { usePoll } from "../polling";
import { type Column, Table } from "../table";
import { Moment } from "../time";

export const labelText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(", ");

const remove = (drainId: string) =>
  perform(() => adminService.removeDrain({ drainId }), "The drain is removed.");

const COLUMNS: Column<Drain>[] = [
  {
    key: "what",
    title: "Workers",
    fill: true,
    cell: ({ worker, labels, reason }) => (
      <>
        {[worker, labelText(labels)].filter(Boolean).join(" with ")}{" "}
        <span className="dim">{reason}</span>
      </>
    ),
  },
  { key: "match", title: "Match", numeric: true, cell: ({ workers }) => count(workers) },
  {
    key: "busy",
    title: "With tasks",
    numeric: true,
    cell: ({ busyWorkers }) => count(busyWorkers),
  },
  {
    key: "since",
    title: "Since",
    numeric: true,
    cell: ({ createdAtMs }) => <Moment at={createdAtMs} />,
  },
  {
    key: "until",
    title: "Until",
    numeric: true,
    cell: ({ endsAtMs }) => <Moment at={endsAtMs} none="it is removed" />,
  },
  {
    key: "remove",
    title: "",
    cell: ({ drainId }) =>
      actionsAllowed && (
        <button type="button" onClick={() => void remove(drainId)}>
          Remove
        </button>
      ),
  },
];

export function Drains() {
  const drains = usePoll("drains", (signal) => adminService.listDrains({}, signal));
  return (
    <Loaded reading={drains}>
      {({ drains: standing }) =>
        standing.length > 0 && (
          <section aria-labelledby="drains">
            <h2 id="drains">Drains</h2>
            <Table
              label="Drains"
              columns={COLUMNS}
              rows={standing}
              keyOf={({ drainId }) => drainId}
              empty="None."
            />
          </section>
        )
      }
    </Loaded>
  );
}
