// A list as a table: columns, order, checkboxes. Rows have one link each (RowLink), which `j` and
// `k` go through, Enter follows, and beside which `x` selects.
import { type ReactNode, useEffect, useRef } from "react";

import { Link } from "./routing";
import type { Selection } from "./selection";

export interface Column<T> {
  key: string;
  title: string;
  // What it says, on hover, where the title does not.
  hint?: string;
  cell: (row: T) => ReactNode;
  // What rows are ordered by; without it they cannot be.
  order?: (row: T) => number | string;
  numeric?: boolean;
  // Left out where the screen is narrow.
  wide?: boolean;
  // Takes what room there is, and cuts its text.
  fill?: boolean;
}

// A column's key, with "-" before it for the largest first.
export type Sort = string;

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  selection?: Selection<T>;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  // In the place of rows.
  empty: ReactNode;
}

export function Table<T>({
  label,
  columns,
  rows,
  keyOf,
  selection,
  sort,
  onSort,
  empty,
}: Props<T>) {
  if (rows.length === 0) return <div className="empty">{empty}</div>;
  return (
    <div className="table-scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <caption className="unseen">{label}</caption>
        <thead>
          <tr>
            {selection && (
              <th className="check" scope="col">
                <SelectAll rows={rows} selection={selection} label={label} />
              </th>
            )}
            {columns.map((column) => (
              <Heading key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} data-selected={selection?.has(row) || undefined}>
              {selection && (
                <td className="check">
                  <input
                    type="checkbox"
                    aria-label={`Select ${keyOf(row)}`}
                    checked={selection.has(row)}
                    onChange={(event) => selection.set([row], event.target.checked)}
                  />
                </td>
              )}
              {columns.map((column) => (
                <td key={column.key} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf<T>({ numeric, wide, fill }: Column<T>): string | undefined {
  const names = [numeric && "numeric", wide && "wide", fill && "fill"].filter(Boolean);
  return names.length ? names.join(" ") : undefined;
}

interface HeadingProps<T> {
  column: Column<T>;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
}

function Heading<T>({ column, sort, onSort }: HeadingProps<T>) {
  const sortable = onSort && column.order;
  const up = sort === column.key;
  const down = sort === `-${column.key}`;
  return (
    <th
      scope="col"
      className={classOf(column)}
      title={column.hint}
      aria-sort={up ? "ascending" : down ? "descending" : undefined}
    >
      {sortable ? (
        <button
          type="button"
          className="sort"
          // Of numbers people want the largest first.
          onClick={() => onSort(down || (!up && !column.numeric) ? column.key : `-${column.key}`)}
        >
          {column.title}
          <span aria-hidden="true">{up ? " ↑" : down ? " ↓" : ""}</span>
        </button>
      ) : (
        column.title
      )}
    </th>
  );
}

interface SelectAllProps<T> {
  rows: T[];
  selection: Selection<T>;
  label: string;
}

function SelectAll<T>({ rows, selection, label }: SelectAllProps<T>) {
  const box = useRef<HTMLInputElement>(null);
  const chosen = rows.filter(selection.has).length;
  useEffect(() => {
    if (box.current) box.current.indeterminate = chosen > 0 && chosen < rows.length;
  });
  return (
    <input
      ref={box}
      type="checkbox"
      aria-label={`Select all on this page of ${label}`}
      checked={chosen === rows.length}
      onChange={(event) => selection.set(rows, event.target.checked)}
    />
  );
}

export function RowLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} className="row-link">
      {children}
    </Link>
  );
}

// Moves to the next row's link, or the previous one's.
export function moveRow(step: 1 | -1) {
  const links = [...document.querySelectorAll<HTMLElement>("main .row-link")];
  if (links.length === 0) return;
  const row = rowOf(document.activeElement);
  const here = links.findIndex((link) => row?.contains(link));
  const next = here < 0 ? 0 : Math.min(Math.max(here + step, 0), links.length - 1);
  links[next]!.focus();
  rowOf(links[next]!)?.scrollIntoView({ block: "nearest" });
}

// A row of a table, or what stands for one in a list.
const rowOf = (element: Element | null) => element?.closest("tr, li");

export function toggleRow() {
  rowOf(document.activeElement)
    ?.querySelector<HTMLInputElement>('td.check input[type="checkbox"]')
    ?.click();
}
