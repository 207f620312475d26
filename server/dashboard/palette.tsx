// Ctrl-K: go anywhere by typing a part of its name.
import { type KeyboardEvent, useMemo, useState } from "react";

import { to } from "./addresses";
import { Dialog } from "./dialog";
import { changePageSettings } from "./page_settings";
import { useQueues, useWorkers } from "./questions";
import { navigate } from "./routing";
import { taskIdOf } from "./search";
import { SECTIONS } from "./sections";

interface Entry {
  kind: string;
  name: string;
  run: () => void;
}

const SHOWN_MAX = 12;
const FIXED: Entry[] = [
  ...SECTIONS.map(({ title, href }) => ({ kind: "page", name: title, run: () => navigate(href) })),
  ...(["light", "dark", "system"] as const).map((theme) => ({
    kind: "theme",
    name: `Theme: ${theme}`,
    run: () => changePageSettings({ theme }),
  })),
];

export function Palette({ onClose }: { onClose: () => void }) {
  const { data: queues = [] } = useQueues();
  const { data: workers = [] } = useWorkers();
  const [text, type] = useState("");
  const [active, activate] = useState(0);

  const entries = useMemo<Entry[]>(
    () => [
      ...FIXED,
      ...queues.map(({ config }) => ({
        kind: "queue",
        name: config!.name,
        run: () => navigate(to.queue(config!.name)),
      })),
      ...workers.map(({ workerId, name }) => ({
        kind: "worker",
        name: name || workerId,
        run: () => navigate(to.worker(workerId)),
      })),
    ],
    [queues, workers],
  );
  const found = useMemo(() => find(entries, text), [entries, text]);
  const chosen = Math.min(active, found.length - 1);

  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") choose(found[chosen]);
    else if (step) activate((chosen + step + found.length) % found.length);
    else return;
    event.preventDefault();
  };

  return (
    <Dialog title="Go to" onClose={onClose} className="palette">
      <input
        type="text"
        role="combobox"
        aria-label="Page, queue, worker or task"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length ? `palette-${chosen}` : undefined}
        placeholder="A page, queue or worker, a task's id, or words to search tasks by"
        spellCheck={false}
        autoComplete="off"
        autoFocus
        value={text}
        onChange={(event) => {
          type(event.target.value);
          activate(0);
        }}
        onKeyDown={onKey}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {found.map((entry, index) => (
          <li
            key={`${entry.kind} ${entry.name}`}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen}
            onClick={() => choose(entry)}
          >
            <span>{entry.name}</span>
            <span className="dim">{entry.kind}</span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

// What begins with the words first, then what has them.
function find(entries: Entry[], text: string): Entry[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return entries.slice(0, SHOWN_MAX);
  const begin: Entry[] = [];
  const contain: Entry[] = [];
  for (const entry of entries) {
    const at = entry.name.toLowerCase().indexOf(wanted);
    if (at === 0) begin.push(entry);
    else if (at > 0) contain.push(entry);
  }
  const found = [...begin, ...contain].slice(0, SHOWN_MAX - 1);
  const id = taskIdOf(text);
  if (id) found.unshift({ kind: "task", name: id, run: () => navigate(to.task(id)) });
  else
    found.push({
      kind: "search",
      name: `Tasks: ${text.trim()}`,
      run: () => navigate(to.tasks(text.trim())),
    });
  return found;
}
