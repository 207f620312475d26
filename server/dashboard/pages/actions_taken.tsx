// What operators did, the newest first.
import { type Action, adminService } from "../api";
import { enumWord } from "../format";
import { Loaded } from "../parts";
import { usePoll } from "../polling";
import { type Column, Table } from "../table";
import { Moment } from "../time";

const SHOWN_MAX = 50;

const COLUMNS: Column<Action>[] = [
  {
    key: "what",
    title: "Action",
    fill: true,
    cell: ({ kind, subject, details }) => (
      <>
        {enumWord(kind, "ACTION_KIND_")}: {subject} <span className="dim">{details}</span>
      </>
    ),
  },
  { key: "who", title: "By", cell: ({ actor, peer }) => <span title={peer}>{actor || "–"}</span> },
  { key: "why", title: "Reason", wide: true, cell: ({ reason }) => reason },
  { key: "when", title: "When", numeric: true, cell: ({ atMs }) => <Moment at={atMs} /> },
];

export function ActionsTaken() {
  const actions = usePoll("actions", (signal) =>
    adminService.listActions({ pageSize: SHOWN_MAX }, signal),
  );
  return (
    <section aria-labelledby="actions">
      <h2 id="actions">Actions taken</h2>
      <Loaded reading={actions}>
        {({ actions: latest }) => (
          <Table
            label="Actions taken"
            columns={COLUMNS}
            rows={latest}
            keyOf={({ number }) => String(number)}
            empty="None yet: what operators change is listed here."
          />
        )}
      </Loaded>
    </section>
  );
}
