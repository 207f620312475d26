// Small things that many pages show.
import type { ReactNode } from "react";

import type { Discipline, TaskState } from "./api";
import { count, enumWord } from "./format";
import { notify } from "./notices";
import type { Reading } from "./polling";
import { Link } from "./routing";

// A state's sign is a shape of its own, so that none is told by its colour alone.
const SIGNS: Record<string, string> = {
  scheduled: "◷",
  queued: "○",
  running: "◐",
  succeeded: "✓",
  failed: "✕",
  cancelled: "⊘",
  expired: "⌛",
};

export const stateWord = (state: TaskState): string => enumWord(state, "TASK_STATE_");
export const disciplineWord = (discipline: Discipline): string =>
  enumWord(discipline, "DISCIPLINE_").toUpperCase();

export function State({ state, stops }: { state: TaskState; stops?: boolean }) {
  const word = stateWord(state);
  return (
    <span className={`state ${word}`}>
      <span aria-hidden="true">{SIGNS[word] ?? "?"} </span>
      {word}
      {stops && ", stopping"}
    </span>
  );
}

export function Badge({
  tone,
  children,
}: {
  tone: "good" | "warning" | "bad" | "plain";
  children: ReactNode;
}) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

// A number that leads to what it counts; 0 leads nowhere.
export function CountLink({ n, href, tone }: { n: number; href: string; tone?: "bad" }) {
  if (n === 0) return <span className="zero">0</span>;
  return (
    <Link href={href} className={tone === "bad" ? "count bad-text" : "count"}>
      {count(n)}
    </Link>
  );
}

// A page's first line: where it is, its name, and what can be done.
export function PageHead({
  title,
  up,
  aside,
  children,
}: {
  title: ReactNode;
  up?: { href: string; label: string };
  aside?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div>
        {up && (
          <nav aria-label="Up" className="up">
            <Link href={up.href}>{up.label}</Link> <span aria-hidden="true">/</span>
          </nav>
        )}
        <h1>{title}</h1>
        {aside}
      </div>
      <div className="page-actions">{children}</div>
    </header>
  );
}

// A name and a value, in a list of them.
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

// What a reading has, once it has something; until then that it is awaited, or why there is none.
export function Loaded<T>({
  reading,
  children,
}: {
  reading: Reading<T>;
  children: (data: T) => ReactNode;
}) {
  const { data, error } = reading;
  if (data === undefined) {
    if (error && !error.unreachable) return <p className="problem">{error.message}</p>;
    return <p className="dim">{error ? "Waiting for the broker …" : "Loading …"}</p>;
  }
  return (
    <>
      {error && !error.unreachable && <p className="problem">{error.message}</p>}
      {children(data)}
    </>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      notify(`Copied: ${text}`);
    } catch {
      // Without TLS the clipboard is refused on any host but this machine's own.
      notify(`Copy it from here: ${text}`);
    }
  };
  return (
    <button type="button" onClick={() => void copy()} title={text}>
      {label}
    </button>
  );
}
