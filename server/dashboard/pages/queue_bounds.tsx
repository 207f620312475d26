// A queue's bounds and its circuit breaker, shown and changed.
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
  {
    name: "failUnservedAfterMs",
    label: "Fails what no worker could run for",
    units: TIME_UNITS,
    show: (ms) => (ms > 0 ? duration(ms) : "ever: it waits"),
    write: wholeTime,
    of: ({ config }) => config!.failUnservedAfterMs,
  },
];

const breakerOf = ({ config }: Queue) =>
  config!.circuitBreaker ?? {
    failurePercent: 0,
    minAttempts: 20,
    windowMs: TIME_UNITS.min,
    resumeAfterMs: 0,
  };

const BREAKER: Bound[] = [
  {
    name: "failurePercent",
    label: "Pauses the queue when of a hundred attempts",
    units: COUNT_UNITS,
    show: (n) => (n > 0 ? `${n} have failed` : "never"),
    write: String,
    of: (queue) => breakerOf(queue).failurePercent,
  },
  {
    name: "minAttempts",
    label: "Of at least so many attempts",
    units: COUNT_UNITS,
    show: count,
    write: String,
    of: (queue) => breakerOf(queue).minAttempts,
  },
  {
    name: "windowMs",
    label: "That have ended within",
    units: TIME_UNITS,
    show: duration,
    write: wholeTime,
    of: (queue) => breakerOf(queue).windowMs,
  },
  {
    name: "resumeAfterMs",
    label: "And resumes it after",
    units: TIME_UNITS,
    show: (ms) => (ms > 0 ? duration(ms) : "somebody has resumed it"),
    write: wholeTime,
    of: (queue) => breakerOf(queue).resumeAfterMs,
  },
];

type Amounts = Record<string, number | undefined>;

export function QueueBounds({ queue }: { queue: Queue }) {
  const name = queue.config!.name;
  // What was not changed is left out, so that it is not put back over somebody else's change.
  const save = (_: number, amounts: Amounts) => {
    const { maxTasks, maxBytes, deadTasks, deadBytes, deadTtl, failUnservedAfterMs } = amounts;
    const deadLetters = { maxTasks: deadTasks, maxBytes: deadBytes, ttlMs: deadTtl };
    const changed = Object.values(deadLetters).some((v) => v !== undefined);
    const ask = {
      name,
      maxTasks,
      maxBytes,
      deadLetters: changed ? deadLetters : undefined,
      failUnservedAfterMs,
    };
    void perform(() => queueService.updateQueue(ask), `${name} has new bounds.`);
  };
  return <Bounds id="bounds" title="Bounds" change="Change" {...{ queue, bounds: BOUNDS, save }} />;
}

export function QueueBreaker({ queue }: { queue: Queue }) {
  const name = queue.config!.name;
  // It is replaced as a whole: not where somebody has changed the queue meanwhile.
  const save = (ifVersion: number, changed: Amounts) => {
    const circuitBreaker = { ...breakerOf(queue), ...withoutUndefined(changed) };
    void perform(
      () => queueService.updateQueue({ name, circuitBreaker, ifVersion }),
      circuitBreaker.failurePercent > 0
        ? `${name} has a circuit breaker.`
        : `${name} has no circuit breaker.`,
    );
  };
  return (
    <Bounds
      id="breaker"
      title="Circuit breaker"
      change="Change breaker"
      shown={breakerOf(queue).failurePercent > 0 ? BREAKER : BREAKER.slice(0, 1)}
      {...{ queue, bounds: BREAKER, save }}
    />
  );
}

const withoutUndefined = (amounts: Amounts) =>
  Object.fromEntries(Object.entries(amounts).filter(([, n]) => n !== undefined));

interface BoundsProps {
  id: string;
  title: string;
  change: string;
  queue: Queue;
  bounds: Bound[];
  // Those that are shown while nothing is edited; absent: all.
  shown?: Bound[];
  // Gets the queue's version when the editing began, and the amounts that were changed.
  save: (version: number, changed: Amounts) => void;
}

function Bounds({ id, title, change, queue, bounds, shown = bounds, save }: BoundsProps) {
  const [edited, edit] = useState<Edited>();
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {title}
        {actionsAllowed && !edited && (
          <button
            type="button"
            className="quiet"
            onClick={() => {
              const texts = bounds.map((bound) => [bound.name, bound.write(bound.of(queue))]);
              const before = Object.fromEntries(texts);
              edit({ version: queue.version, before, now: before });
            }}
          >
            {change}
          </button>
        )}
      </h2>
      {edited ? (
        <BoundsForm {...{ bounds, edited, edit, save }} />
      ) : (
        <dl className="facts">
          {shown.map((bound) => (
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
  version: number; // of the queue then
  before: Record<string, string>;
  now: Record<string, string>;
}

interface FormProps {
  bounds: Bound[];
  edited: Edited;
  edit: (edited: Edited | undefined) => void;
  save: (version: number, changed: Amounts) => void;
}

function BoundsForm({ bounds, edited, edit, save }: FormProps) {
  const amounts = Object.fromEntries(
    bounds.map((bound) => [bound.name, parseAmount(edited.now[bound.name]!, bound.units)]),
  );
  const wrong = (bound: Bound) => amounts[bound.name] === undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const changed = bounds.filter(({ name }) => edited.now[name] !== edited.before[name]);
    save(edited.version, Object.fromEntries(changed.map(({ name }) => [name, amounts[name]])));
    edit(undefined);
  };
  return (
    <form className="bounds" onSubmit={submit}>
      {bounds.map((bound) => (
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
      {bounds.some(wrong) && (
        <p className="problem">Write numbers as 10k, sizes as 4 GiB, lengths of time as 14 d.</p>
      )}
      <div className="dialog-buttons">
        <button type="button" onClick={() => edit(undefined)}>
          Leave as they are
        </button>
        <button type="submit" className="primary" disabled={bounds.some(wrong)}>
          Save
        </button>
      </div>
    </form>
  );
}
