// A queue's bounds, shown and changed.
import { type FormEvent, useState } from "react";

import { type Queue, queueService } from "../api";
import {
  BYTE_UNITS,
  COUNT_UNITS,
  TIME_UNITS,
  bytes,
  count,
  duration,
  parseAmount,
} from "../format";
import { perform } from "../notices";
import { actionsAllowed } from "../page_settings";
import { Fact } from "../parts";

interface Bound {
  name: string;
  label: string;
  units: Record<string, number>;
  show: (n: number) => string;
  // As it is typed.
  write: (n: number) => string;
  of: (queue: Queue) => number;
}

const wholeBytes = (n: number): string => {
  const units = ["TiB", "GiB", "MiB", "KiB"];
  const unit = units.find((name) => n > 0 && n % BYTE_UNITS[name.toLowerCase() as "kib"] === 0);
  return unit ? `${n / BYTE_UNITS[unit.toLowerCase() as "kib"]} ${unit}` : String(n);
};
const wholeTime = (ms: number): string => {
  const units = ["d", "h", "min", "s"] as const;
  const unit = units.find((name) => ms > 0 && ms % TIME_UNITS[name] === 0);
  return unit ? `${ms / TIME_UNITS[unit]} ${unit}` : `${ms} ms`;
};

const BOUNDS: Bound[] = [
  {
    name: "maxTasks",
    label: "Tasks that may wait",
    units: COUNT_UNITS,
    show: count,
    write: String,
    of: ({ config }) => config!.maxTasks,
  },
  {
    name: "maxBytes",
    label: "Payloads that may wait",
    units: BYTE_UNITS,
    show: bytes,
    write: wholeBytes,
    of: ({ config }) => config!.maxBytes,
  },
  {
    name: "deadTasks",
    label: "Dead letters",
    units: COUNT_UNITS,
    show: count,
    write: String,
    of: ({ config }) => config!.deadLetters?.maxTasks ?? 0,
  },
  {
    name: "deadBytes",
    label: "Dead letters together",
    units: BYTE_UNITS,
    show: bytes,
    write: wholeBytes,
    of: ({ config }) => config!.deadLetters?.maxBytes ?? 0,
  },
  {
    name: "deadTtl",
    label: "Dead letters are kept for",
    units: TIME_UNITS,
    show: duration,
    write: wholeTime,
    of: ({ config }) => config!.deadLetters?.ttlMs ?? 0,
  },
];

export function QueueBounds({ queue }: { queue: Queue }) {
  const [edited, edit] = useState<Edited>();
  return (
    <section aria-labelledby="bounds">
      <h2 id="bounds">
        Bounds
        {actionsAllowed && !edited && (
          <button
            type="button"
            className="quiet"
            onClick={() => {
              const texts = BOUNDS.map((bound) => [bound.name, bound.write(bound.of(queue))]);
              edit({ before: Object.fromEntries(texts), now: Object.fromEntries(texts) });
            }}
          >
            Change
          </button>
        )}
      </h2>
      {edited ? (
        <BoundsForm queue={queue} edited={edited} edit={edit} />
      ) : (
        <dl className="facts">
          {BOUNDS.map((bound) => (
            <Fact key={bound.name} name={bound.label}>
              {bound.show(bound.of(queue))}
            </Fact>
          ))}
        </dl>
      )}
    </section>
  );
}

// What is typed, and what stood there when that began.
interface Edited {
  before: Record<string, string>;
  now: Record<string, string>;
}

interface FormProps {
  queue: Queue;
  edited: Edited;
  edit: (edited: Edited | undefined) => void;
}

function BoundsForm({ queue, edited, edit }: FormProps) {
  const name = queue.config!.name;
  const amounts = Object.fromEntries(
    BOUNDS.map((bound) => [bound.name, parseAmount(edited.now[bound.name]!, bound.units)]),
  );
  const wrong = (bound: Bound) => amounts[bound.name] === undefined;
  const save = (event: FormEvent) => {
    event.preventDefault();
    // What was not changed is left out, so that it is not put back over somebody else's change.
    const changed = (key: string) =>
      edited.now[key] === edited.before[key] ? undefined : amounts[key];
    const deadLetters = {
      maxTasks: changed("deadTasks"),
      maxBytes: changed("deadBytes"),
      ttlMs: changed("deadTtl"),
    };
    const ask = {
      name,
      maxTasks: changed("maxTasks"),
      maxBytes: changed("maxBytes"),
      deadLetters: Object.values(deadLetters).some((v) => v !== undefined)
        ? deadLetters
        : undefined,
    };
    void perform(() => queueService.updateQueue(ask), `${name} has new bounds.`);
    edit(undefined);
  };
  return (
    <form className="bounds" onSubmit={save}>
      {BOUNDS.map((bound) => (
        <label key={bound.name} className="field">
          <span>{bound.label}</span>
          <input
            type="text"
            value={edited.now[bound.name]}
            aria-invalid={wrong(bound)}
            onChange={({ target }) =>
              edit({ ...edited, now: { ...edited.now, [bound.name]: target.value } })
            }
          />
        </label>
      ))}
      {BOUNDS.some(wrong) && (
        <p className="problem">Write numbers as 10k, sizes as 4 GiB, lengths of time as 14 d.</p>
      )}
      <div className="dialog-buttons">
        <button type="button" onClick={() => edit(undefined)}>
          Leave as they are
        </button>
        <button type="submit" className="primary" disabled={BOUNDS.some(wrong)}>
          Save
        </button>
      </div>
    </form>
  );
}
