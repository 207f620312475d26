// Groups of dead letters: what fails for one reason.
import type { DeadLetterGroup } from "../api";
import { isGrowing } from "../attention";
import { bytes } from "../format";
import { Badge, CountLink } from "../parts";
import { Link, to } from "../routing";
import { SortedTable, useOrdered } from "../sorted_table";
import { type Column, RowLink } from "../table";
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

export function GroupTable({ groups, inQueue }: { groups: DeadLetterGroup[]; inQueue?: boolean }) {
  const columns = inQueue ? IN_QUEUE : COLUMNS;
  const ordered = useOrdered(groups, columns, "-count");
  return (
    <SortedTable
      label="Groups of dead letters"
      columns={columns}
      ordered={ordered}
      total={groups.length}
      keyOf={({ queue, group }) => `${queue}/${group}`}
      empty="Nothing has failed."
    />
  );
}
