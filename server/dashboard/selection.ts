// Which rows of a list are selected. The rows themselves are kept, not their places: a selection
// outlives a refresh, another order and another page, but not another list.
import { useMemo, useState } from "react";

export interface Selection<T> {
  rows: T[];
  has: (row: T) => boolean;
  set: (rows: T[], selected: boolean) => void;
  clear: () => void;
}

export function useSelection<T>(list: string, keyOf: (row: T) => string): Selection<T> {
  const [kept, keep] = useState({ list, byKey: new Map<string, T>() });
  const byKey = kept.list === list ? kept.byKey : new Map<string, T>();
  return useMemo(
    () => ({
      rows: [...byKey.values()],
      has: (row) => byKey.has(keyOf(row)),
      set: (rows, selected) => {
        const next = new Map(byKey);
        for (const row of rows) {
          if (selected) next.set(keyOf(row), row);
          else next.delete(keyOf(row));
        }
        keep({ list, byKey: next });
      },
      clear: () => keep({ list, byKey: new Map() }),
    }),
    // `keyOf` is the same for one list.
    [byKey, list],
  );
}
