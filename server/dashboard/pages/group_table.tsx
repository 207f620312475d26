// Groups of dead letters: what fails for one reason.
import { type Scope, here } from "../actions/bulk";
import { deleteDeadLetters, redriveDeadLetters } from "../actions/on_dead_letters";
import { Toolbar, scopesOf } from "../actions/toolbar";
import { to } from "../addresses";
import type { DeadLetter, DeadLetterGroup } from "../api";
import { isGrowing } from "../attention";
import { bytes, counted } from "../format";
import { Badge, CountLink } from "../parts";
import { listLetters } from "../questions";
import { Link } from "../routing";
import { useSelection } from "../selection";
import { SortedTable, useOrdered } from "../sorted_table";
import { type Column, RowLink, Table } from "../table";
import { Moment, brokerNow } from "../time";

const pageOf = ({ queue, group }: DeadLetterGroup): string => to.deadGroup(queue, group);

const COLUMNS: Column<DeadLetterGroup>[] = [
  {
    key: "error",
    title: "Error",
    order: ({ errorType }) => errorType,
    fill: true,
    cell: (group) => (
      <>
        <RowLink href={pageOf(group)}>{group.errorType || "other"}</RowLink>{" "}
        {isGrowing(group, brokerNow()) && <Badge tone="bad">growing</Badge>}{" "}
        <span className="dim" title={group.errorMessage}>
          {group.errorMessage.split("\n")[0]}
        </span>
      </>
    ),
  },
  { key: "type", title: "Type", order: ({ type }) => type, cell: ({ type }) => type },
  {
    key: "queue",
    title: "Queue",
    order: ({ queue }) => queue,
    cell: ({ queue }) => <Link href={to.queue(queue)}>{queue}</Link>,
  },
  {
    key: "count",
    title: "Letters",
    numeric: true,
    order: ({ count }) => count,
    cell: (group) => <CountLink n={group.count} href={pageOf(group)} tone="bad" />,
  },
  {
    key: "bytes",
    title: "Size",
    numeric: true,
    wide: true,
    order: (group) => group.bytes,
    cell: (group) => bytes(group.bytes),
  },
  {
    key: "first",
    title: "First",
    numeric: true,
    wide: true,
    order: ({ firstAtMs }) => firstAtMs,
    cell: ({ firstAtMs }) => <Moment at={firstAtMs} />,
  },
  {
    key: "last",
    title: "Last",
    numeric: true,
    order: ({ lastAtMs }) => lastAtMs,
    cell: ({ lastAtMs }) => <Moment at={lastAtMs} />,
  },
];

const IN_QUEUE = COLUMNS.filter(({ key }) => key !== "queue");

const ACTIONS = [redriveDeadLetters, deleteDeadLetters];

const keyOf = ({ queue, group }: DeadLetterGroup): string => `${queue}/${group}`;

const LOOKS = { label: "Groups of dead letters", keyOf, empty: "Nothing has failed." };

// Groups as what is in them.
function lettersOf({ key, label, ...scope }: Scope<DeadLetterGroup>, groups: DeadLetterGroup[]) {
  const letters: Scope<DeadLetter> = {
    key,
    label: `${label}: ${counted(scope.count ?? 0, "group")}`,
    count: groups.reduce((sum, group) => sum + group.count, 0),
    async *pages(signal) {
      for (const { queue, group } of groups) yield* listLetters({ queue, group }, signal);
    },
  };
  return letters;
}

interface Props {
  groups: DeadLetterGroup[];
  inQueue: boolean;
}

// To look at.
export function GroupTable({ groups, inQueue }: Props) {
  const columns = inQueue ? IN_QUEUE : COLUMNS;
  return <Table {...LOOKS} columns={columns} rows={groups} />;
}

// With what can be done with them.
export function GroupList({ groups, inQueue }: Props) {
  const columns = inQueue ? IN_QUEUE : COLUMNS;
  const ordered = useOrdered(groups, columns, "-count");
  const selection = useSelection<DeadLetterGroup>("groups", keyOf);
  const all = here("all", "All that match the filter", groups);
  const chosen = { selected: selection.rows, page: ordered.rows, all: groups };
  return (
    <>
      <Toolbar
        label="Groups"
        actions={ACTIONS}
        scopes={scopesOf(selection, ordered.rows, all).map((scope) =>
          lettersOf(scope, chosen[scope.key as keyof typeof chosen]),
        )}
        selection={selection}
        exported={all.pages}
      />
      <SortedTable
        {...LOOKS}
        columns={columns}
        ordered={ordered}
        total={groups.length}
        selection={selection}
      />
    </>
  );
}
