// A table of rows that are all here: ordered, and a page of them shown. Order and page are in the
// address.
import { type ReactNode, useMemo } from "react";

import { count } from "./format";
import { Link, useQuery } from "./routing";
import type { Selection } from "./selection";
import { type Column, type Sort, Table } from "./table";

export const ROWS_PER_PAGE = 100;

interface Ordered<T> {
  // The page's.
  rows: T[];
  sort: Sort;
  page: number;
  pages: number;
}

export function useOrdered<T>(all: T[], columns: Column<T>[], otherwise: Sort): Ordered<T> {
  const [query] = useQuery();
  const sort = query.get("sort") ?? otherwise;
  const ordered = useMemo(() => order(all, columns, sort), [all, sort]);
  const pages = Math.max(1, Math.ceil(ordered.length / ROWS_PER_PAGE));
  const page = Math.min(Math.max(Number(query.get("page")) || 1, 1), pages);
  const rows = ordered.slice((page - 1) * ROWS_PER_PAGE, page * ROWS_PER_PAGE);
  return { rows, sort, page, pages };
}

const collator = new Intl.Collator(undefined, { numeric: true });

function order<T>(rows: T[], columns: Column<T>[], sort: Sort): T[] {
  const by = columns.find((column) => column.key === sort.replace(/^-/, ""))?.order;
  if (!by) return rows;
  const sign = sort.startsWith("-") ? -1 : 1;
  const keyed = rows.map((row) => ({ row, key: by(row) }));
  keyed.sort(({ key: a }, { key: b }) =>
    typeof a === "number" ? sign * (a - Number(b)) : sign * collator.compare(a, String(b)),
  );
  return keyed.map(({ row }) => row);
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  ordered: Ordered<T>;
  total: number;
  keyOf: (row: T) => string;
  selection?: Selection<T>;
  empty: ReactNode;
}

export function SortedTable<T>({ ordered, total, ...table }: Props<T>) {
  const [, changeQuery] = useQuery();
  const { rows, sort, page, pages } = ordered;
  return (
    <>
      <Table
        {...table}
        rows={rows}
        sort={sort}
        onSort={(next) => changeQuery({ sort: next, page: undefined })}
      />
      {pages > 1 && (
        <nav className="pager" aria-label={`Pages of ${table.label}`}>
          <PageLink page={page - 1} enabled={page > 1} label="← Previous" />
          <span>
            {count((page - 1) * ROWS_PER_PAGE + 1)}–
            {count((page - 1) * ROWS_PER_PAGE + rows.length)} of {count(total)}
          </span>
          <PageLink page={page + 1} enabled={page < pages} label="Next →" />
        </nav>
      )}
    </>
  );
}

function PageLink({ page, enabled, label }: { page: number; enabled: boolean; label: string }) {
  const [query] = useQuery();
  if (!enabled) return <span className="dim">{label}</span>;
  const next = new URLSearchParams(query);
  next.set("page", String(page));
  return <Link href={`${location.pathname}?${next}`}>{label}</Link>;
}
