// What can be done with a list: actions on what is selected, on this page, on all that match; and
// what the list shows as a file.
import { type ReactNode, useState } from "react";

import { counted } from "../format";
import { actionsAllowed } from "../page_settings";
import type { Selection } from "../selection";
import { ActionDialog } from "./action_dialog";
import { type Action, type Scope, here } from "./bulk";
import { type Format, exportRows } from "./export";

interface Props<T> {
  label: string;
  actions: Action<T>[];
  selection: Selection<T>;
  // This page's rows.
  rows: T[];
  // Whatever the filter matches, those on other pages included.
  all: Omit<Scope<T>, "key">;
  children?: ReactNode;
}

export function Toolbar<T>({ label, actions, selection, rows, all, children }: Props<T>) {
  const [chosen, choose] = useState<Action<T>>();
  const scopes: Scope<T>[] = [here("page", "All on this page", rows), { key: "all", ...all }];
  if (selection.rows.length > 0) scopes.unshift(here("selected", "Those selected", selection.rows));
  return (
    <div className="toolbar" role="toolbar" aria-label={`Actions on ${label}`}>
      {actionsAllowed &&
        actions.map((action) => (
          <button
            key={action.verb}
            type="button"
            disabled={rows.length === 0}
            onClick={() => choose(action)}
          >
            {action.verb} …
          </button>
        ))}
      {selection.rows.length > 0 && (
        <span className="selected">
          {counted(selection.rows.length, "row")} selected{" "}
          <button type="button" className="link" onClick={selection.clear}>
            Clear
          </button>
        </span>
      )}
      {children}
      <span className="spacer" />
      <ExportButton format="csv" label={label} all={all.pages} />
      <ExportButton format="json" label={label} all={all.pages} />
      {chosen && (
        <ActionDialog
          action={chosen}
          scopes={scopes}
          onClose={() => choose(undefined)}
          onDone={selection.clear}
        />
      )}
    </div>
  );
}

interface ExportProps<T> {
  format: Format;
  label: string;
  all: Scope<T>["pages"];
}

function ExportButton<T>({ format, label, all }: ExportProps<T>) {
  const [abort, setAbort] = useState<AbortController>();
  const start = async () => {
    const controller = new AbortController();
    setAbort(controller);
    await exportRows(label, format, all, controller.signal);
    setAbort(undefined);
  };
  return (
    <button
      type="button"
      className="quiet"
      title={`Save all that match as ${format.toUpperCase()}`}
      onClick={() => (abort ? abort.abort() : void start())}
    >
      {abort ? "Stop" : format.toUpperCase()}
    </button>
  );
}
