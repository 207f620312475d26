// What can be done with a list: actions on what is selected, on this page, on all that match; and
// what the list shows as a file.
import { type ReactNode, useState } from "react";

import { counted } from "../format";
import { actionsAllowed } from "../page_settings";
import type { Selection } from "../selection";
import { ActionDialog } from "./action_dialog";
import { type Action, type Scope, here } from "./bulk";
import { type Format, exportRows } from "./export";

// What a list's actions may be done to: what is selected, if anything is, this page's rows, and
// whatever the filter matches, on other pages, too.
export function scopesOf<T>(selection: Selection<T>, rows: T[], all: Scope<T>): Scope<T>[] {
  const scopes = [here("page", "All on this page", rows), all];
  if (selection.rows.length === 0) return scopes;
  return [here("selected", "Those selected", selection.rows), ...scopes];
}

// Rows, and what is acted on: mostly the same, but a group's row stands for its letters.
interface Props<R, A> {
  label: string;
  actions: Action<A>[];
  scopes: Scope<A>[];
  selection: Selection<R>;
  // All that match, for a file.
  exported: Scope<R>["pages"];
  children?: ReactNode;
}

export function Toolbar<R, A>(props: Props<R, A>) {
  const { label, actions, scopes, selection, exported, children } = props;
  // With the scopes of that moment: what is acted on is what was there when the button was pressed.
  const [chosen, choose] = useState<{ action: Action<A>; scopes: Scope<A>[] }>();
  const nothing = scopes.every((scope) => scope.count === 0);
  return (
    <div className="toolbar" role="group" aria-label={`Actions on ${label}`}>
      {actionsAllowed &&
        actions.map((action) => (
          <button
            key={action.verb}
            type="button"
            disabled={nothing}
            onClick={() => choose({ action, scopes })}
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
      <ExportButton format="csv" label={label} all={exported} />
      <ExportButton format="json" label={label} all={exported} />
      {chosen && (
        <ActionDialog {...chosen} onClose={() => choose(undefined)} onDone={selection.clear} />
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
