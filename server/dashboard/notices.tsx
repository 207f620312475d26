// What became of an action, said for some seconds at the foot of the page, and to screen readers.
import { useSyncExternalStore } from "react";

import { refresh } from "./polling";
import { asCallError } from "./wire";

export interface Notice {
  id: number;
  text: string;
  failed: boolean;
  undo?: () => void;
}

const SHOWN_MS = 8_000;
let notices: readonly Notice[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function change(next: readonly Notice[]) {
  notices = next;
  listeners.forEach((listener) => listener());
}

const drop = (id: number) => change(notices.filter((notice) => notice.id !== id));

export function notify(text: string, options: { failed?: boolean; undo?: () => void } = {}) {
  const id = ++lastId;
  change([...notices.slice(-2), { id, text, failed: options.failed ?? false, undo: options.undo }]);
  setTimeout(() => drop(id), SHOWN_MS);
}

// Does what a button says, tells how it went, and asks the broker anew.
export async function perform(work: () => Promise<unknown>, done: string, undo?: () => void) {
  try {
    await work();
    notify(done, { undo });
  } catch (error) {
    notify(asCallError(error).message, { failed: true });
  }
  refresh();
}

export function Notices() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notices,
  );
  return (
    <div className="notices" role="status" aria-live="polite">
      {shown.map((notice) => (
        <div key={notice.id} className={notice.failed ? "notice failed" : "notice"}>
          <span>
            {notice.failed && <strong>Not done: </strong>}
            {notice.text}
          </span>
          {notice.undo && (
            <button
              type="button"
              className="link"
              onClick={() => {
                drop(notice.id);
                notice.undo!();
              }}
            >
              Undo
            </button>
          )}
          <button
            type="button"
            className="link"
            aria-label="Dismiss"
            onClick={() => drop(notice.id)}
          >
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
