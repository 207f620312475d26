// Asks what an action shall be done to, tries it dry, does it, and tells how it went.
import { type FormEvent, useEffect, useRef, useState } from "react";

import { to } from "../addresses";
import { Dialog } from "../dialog";
import { count, counted } from "../format";
import { refresh } from "../polling";
import { Link } from "../routing";
import { asCallError } from "../wire";
import { type Action, type Field, type Progress, type Scope, type Values, run } from "./bulk";
import { LEFT } from "./job";

interface Props<T> {
  action: Action<T>;
  scopes: Scope<T>[];
  onClose: () => void;
  // After something was done.
  onDone?: () => void;
}

type Phase = "asking" | "counting" | "counted" | "acting" | "ended";

export function ActionDialog<T>({ action, scopes, onClose, onDone }: Props<T>) {
  const [scopeKey, chooseScope] = useState(scopes[0]!.key);
  const [values, changeValues] = useState<Values>({});
  const [phase, enter] = useState<Phase>("asking");
  const [progress, tell] = useState<Progress>();
  const [problem, tellProblem] = useState<string>();
  const abort = useRef<AbortController>();
  useEffect(() => () => abort.current?.abort(LEFT), []);

  const scope = scopes.find(({ key }) => key === scopeKey) ?? scopes[0]!;
  const busy = phase === "counting" || phase === "acting";
  // What a dry run has counted is known; before it, what the list knows.
  const known = phase === "counted" ? progress?.seen : scope.count;
  const nothing = known === 0;
  const fields = action.fields?.filter(({ ofJob }) => !ofJob || (action.job && scope.matching));

  const start = async (dry: boolean) => {
    const controller = new AbortController();
    abort.current = controller;
    tellProblem(undefined);
    tell(undefined);
    enter(dry ? "counting" : "acting");
    try {
      await run(action, scope, dry ? undefined : values, tell, controller.signal);
    } catch (error) {
      tellProblem(controller.signal.aborted ? "Stopped." : asCallError(error).message);
    }
    enter(dry ? "counted" : "ended");
    if (!dry) {
      refresh();
      onDone?.();
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void start(false);
  };
  const choose = (key: string) => {
    chooseScope(key);
    enter("asking");
    tell(undefined);
  };

  return (
    <Dialog title={`${action.verb} ${action.many}`} onClose={onClose} className="action">
      <form onSubmit={submit}>
        {phase !== "ended" && (
          <>
            <Scopes scopes={scopes} chosen={scope} onChoose={choose} disabled={busy} />
            {action.note && <p className="note">{action.note}</p>}
            {fields?.map((field) => (
              <FieldInput
                key={field.name}
                field={field}
                value={values[field.name] ?? ""}
                onChange={(value) => changeValues({ ...values, [field.name]: value })}
              />
            ))}
          </>
        )}
        <div role="status" aria-live="polite">
          {progress && (
            <Report action={action} phase={phase} progress={progress} of={scope.count} />
          )}
          {problem && <p className="problem">{problem}</p>}
        </div>
        <div className="dialog-buttons">
          {phase === "ended" ? (
            <button type="button" className="primary" onClick={onClose} autoFocus>
              Close
            </button>
          ) : (
            <>
              <button type="button" onClick={busy ? () => abort.current?.abort() : onClose}>
                {busy ? "Stop" : "Close"}
              </button>
              <button type="button" disabled={busy || nothing} onClick={() => void start(true)}>
                Dry run
              </button>
              <button
                type="submit"
                className={action.danger ? "danger" : "primary"}
                disabled={busy || nothing}
              >
                {action.verb} {known === undefined ? "all" : count(known)}
              </button>
            </>
          )}
        </div>
      </form>
    </Dialog>
  );
}

interface ScopesProps<T> {
  scopes: Scope<T>[];
  chosen: Scope<T>;
  onChoose: (key: string) => void;
  disabled: boolean;
}

function Scopes<T>({ scopes, chosen, onChoose, disabled }: ScopesProps<T>) {
  if (scopes.length === 1) return <p>{scopes[0]!.label}</p>;
  return (
    <fieldset disabled={disabled}>
      <legend>Which ones</legend>
      {scopes.map((scope) => (
        <label key={scope.key} className="choice">
          <input
            type="radio"
            name="scope"
            checked={scope === chosen}
            onChange={() => onChoose(scope.key)}
          />
          <span>{scope.label}</span>
          <span className="dim">{scope.count !== undefined && count(scope.count)}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface FieldProps {
  field: Field;
  value: string;
  onChange: (value: string) => void;
}

function FieldInput({ field, value, onChange }: FieldProps) {
  return (
    <label className="field">
      <span>{field.label}</span>
      <input
        type={field.numeric ? "number" : "text"}
        min={field.numeric ? 1 : undefined}
        maxLength={255}
        placeholder={field.placeholder}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

const KINDS_SHOWN = 8;

interface ReportProps<T> {
  action: Action<T>;
  phase: Phase;
  progress: Progress;
  of?: number;
}

function Report<T>({ action, phase, progress, of }: ReportProps<T>) {
  const { seen, done, refused, kinds, taskIds, waitsFor } = progress;
  const dry = phase === "counting" || phase === "counted";
  const byCount = (counts: Map<string, number>) =>
    [...counts].sort(([, a], [, b]) => b - a).slice(0, KINDS_SHOWN);
  const left = kinds.size - KINDS_SHOWN;
  return (
    <div className="report">
      {(phase === "acting" || phase === "counting") && (
        <progress value={of ? seen : undefined} max={of || undefined} aria-label="Progress" />
      )}
      {dry ? (
        <p>
          {phase === "counting" ? "So far, this" : "This"} would {action.verb.toLowerCase()}{" "}
          <strong>{counted(seen, action.one, action.many)}</strong>; nothing was changed.
        </p>
      ) : (
        <p>
          <strong>{counted(done, action.one, action.many)}</strong> {action.done}
          {phase === "acting" ? " so far" : ""}.
        </p>
      )}
      {waitsFor && <p className="note">It waits: {waitsFor}.</p>}
      <ul>
        {dry && byCount(kinds).map(([kind, n]) => <li key={kind}>{`${count(n)} × ${kind}`}</li>)}
        {dry && left > 0 && <li className="dim">and {counted(left, "other kind")}</li>}
        {!dry &&
          byCount(refused).map(([why, n]) => (
            <li key={why} className="bad-text">{`${count(n)} not: ${why}`}</li>
          ))}
        {taskIds.map((id) => (
          <li key={id}>
            as <Link href={to.task(id)}>{id}</Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
