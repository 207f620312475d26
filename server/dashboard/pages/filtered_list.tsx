// A list that is all here: narrowed by a word and a choice, ordered, and acted upon.
import { useMemo } from "react";

import { type Action, here } from "../actions/bulk";
import { Toolbar, scopesOf } from "../actions/toolbar";
import { FilterBox, OnlyChoice } from "../filters";
import { count, counted } from "../format";
import { useQuery } from "../routing";
import { useSelection } from "../selection";
import { SortedTable, useOrdered } from "../sorted_table";
import type { Column } from "../table";

interface Props<T> {
  label: string;
  // "queue": one of them.
  one: string;
  items: T[];
  keyOf: (item: T) => string;
  columns: Column<T>[];
  actions: Action<T>[];
  filterLabel: string;
  choices: string[];
  // `word` is in lower case; `only` is one of the choices, or empty.
  matches: (item: T, word: string, only: string) => boolean;
  // What is said when there are no items at all.
  none: string;
}

export function FilteredList<T>(props: Props<T>) {
  const { label, one, items, keyOf, columns, actions, filterLabel, choices, matches, none } = props;
  const [query] = useQuery();
  const filter = query.get("filter") ?? "";
  const only = query.get("only") ?? "";
  const matching = useMemo(() => {
    const word = filter.toLowerCase();
    return items.filter((item) => matches(item, word, only));
  }, [items, filter, only]);
  const ordered = useOrdered(matching, columns, "name");
  const selection = useSelection<T>(label.toLowerCase(), keyOf);
  const all = here("all", "All that match the filter", matching);
  return (
    <>
      <div className="filters">
        <FilterBox label={filterLabel} />
        <OnlyChoice label="Show" choices={choices} />
        <span className="dim">
          {matching.length === items.length
            ? counted(items.length, one)
            : `${counted(matching.length, one)} of ${count(items.length)}`}
        </span>
      </div>
      <Toolbar
        label={label}
        actions={actions}
        selection={selection}
        scopes={scopesOf(selection, ordered.rows, all)}
        exported={all.pages}
      />
      <SortedTable
        label={label}
        columns={columns}
        ordered={ordered}
        total={matching.length}
        keyOf={keyOf}
        selection={selection}
        empty={items.length === 0 ? none : `No ${one} matches.`}
      />
    </>
  );
}
