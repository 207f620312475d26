import { useState } from "react";

import { ActionDialog } from "../actions/action_dialog";
import { type Action, here } from "../actions/bulk";
import { deleteDeadLetters, redriveDeadLetters } from "../actions/on_dead_letters";
import { cancelTasks } from "../actions/on_tasks";
import { to } from "../addresses";
import { type DeadLetter, type LostTime, type Task, type TaskReason, taskService } from "../api";
import { adviceText, reasonText } from "../attention";
import { bytes, duration, enumWord, exactTime } from "../format";
import { actionsAllowed } from "../page_settings";
import { CopyButton, Fact, Loaded, PageHead, State } from "../parts";
import { usePoll } from "../polling";
import { Link } from "../routing";
import { searchText } from "../search";
import { Moment } from "../time";
import { AttemptsTable } from "./attempts";
import { Content, loadDeadLetter, loadPayload, loadResult } from "./content";
import { Output } from "./output";

const ENDED = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"].map((word) => `TASK_STATE_${word}`);

interface Explained {
  task: Task;
  reasons: TaskReason[];
  lost: LostTime[];
}

async function askAbout(taskId: string, signal: AbortSignal): Promise<Explained> {
  const [shown, explained] = await Promise.all([
    taskService.getTask({ taskId }, signal),
    taskService.explainTask({ taskId }, signal),
  ]);
  return { task: shown.task!, reasons: explained.reasons, lost: explained.lost };
}

export function TaskPage({ id }: { id: string }) {
  const task = usePoll(`task ${id}`, (signal) => askAbout(id, signal));
  return (
    <>
      <PageHead
        title={<code>{id}</code>}
        up={{ href: to.tasks(), label: "Tasks" }}
        aside={
          task.data && (
            <State
              state={task.data.task.state}
              stops={task.data.task.stopReason !== "STOP_REASON_UNSPECIFIED"}
            />
          )
        }
      >
        {task.data && <TaskActions task={task.data.task} />}
      </PageHead>
      <Loaded reading={task}>
        {(loaded) => (
          <>
            <Reasons reasons={loaded.reasons} lost={loaded.lost} />
            <div className="columns">
              <Facts task={loaded.task} />
              <Times task={loaded.task} />
            </div>
            <LastError task={loaded.task} />
            <Output taskId={id} key={id} />
            <AttemptsTable attempts={loaded.task.failedAttempts} of={loaded.task.attempts} />
            <Contents task={loaded.task} />
          </>
        )}
      </Loaded>
    </>
  );
}

function TaskActions({ task }: { task: Task }) {
  const [dialog, open] = useState<"cancel" | "redrive" | "delete">();
  const close = () => open(undefined);
  const letter: DeadLetter = { task, group: "", bytes: 0 };
  const onLetter = (action: Action<DeadLetter>) => (
    <ActionDialog
      action={action}
      scopes={[here("task", `The task ${task.taskId}.`, [letter])]}
      onClose={close}
    />
  );
  return (
    <>
      <CopyButton text={`treadle task show ${task.taskId}`} label="Copy as command" />
      {actionsAllowed && !ENDED.includes(task.state) && (
        <button type="button" onClick={() => open("cancel")}>
          Cancel …
        </button>
      )}
      {actionsAllowed && task.deadLetter && (
        <>
          <button type="button" className="primary" onClick={() => open("redrive")}>
            Redrive …
          </button>
          <button type="button" onClick={() => open("delete")}>
            Delete …
          </button>
        </>
      )}
      {dialog === "cancel" && (
        <ActionDialog
          action={cancelTasks}
          scopes={[here("task", `The task ${task.taskId}.`, [task])]}
          onClose={close}
        />
      )}
      {dialog === "redrive" && onLetter(redriveDeadLetters)}
      {dialog === "delete" && onLetter(deleteDeadLetters)}
    </>
  );
}

// Where the task's age went, the most first.
const lostText = (lost: LostTime[]): string =>
  lost
    .map(({ reason, ms }) => {
      const word = reason === "REASON_UNSPECIFIED" ? "not known" : enumWord(reason, "REASON_");
      return `${duration(ms)} ${word}`;
    })
    .join(", ");

// Why it does not run, or what it does: the reason that dominates, then the others.
function Reasons({ reasons, lost }: { reasons: TaskReason[]; lost: LostTime[] }) {
  return (
    <section aria-labelledby="why" className="why">
      <h2 id="why">Why</h2>
      <ol>
        {reasons.map((reason) => (
          <li key={reason.reason} data-end={reason.end}>
            <p>
              <strong>{reasonText(reason)}</strong> {adviceText(reason)}
            </p>
            <p className="dim">
              <code>{enumWord(reason.reason, "REASON_").replaceAll(" ", "_").toUpperCase()}</code>
              {reason.sinceAtMs > 0 && (
                <>
                  {" "}
                  · since <Moment at={reason.sinceAtMs} />
                </>
              )}{" "}
              <Ends reason={reason} />
            </p>
          </li>
        ))}
      </ol>
      {lost.length > 0 && <p className="dim">Its time so far: {lostText(lost)}.</p>}
    </section>
  );
}

function Ends({ reason }: { reason: TaskReason }) {
  if (reason.end === "REASON_END_BY_OPERATOR") return <>· lasts until somebody acts</>;
  if (reason.untilAtMs === 0) return null;
  const about = reason.end === "REASON_END_ABOUT" ? "about " : "";
  return (
    <>
      · ends {about}
      <Moment at={reason.untilAtMs} />
    </>
  );
}

function Facts({ task }: { task: Task }) {
  const { queue, type, worker } = task;
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">Task</h2>
      <dl className="facts">
        <Fact name="Queue">
          <Link href={to.queue(queue)}>{queue}</Link>
        </Fact>
        <Fact name="Type">
          <Link href={to.tasks(searchText({ queue, type }))}>{type}</Link>
        </Fact>
        <Fact name="Attempts">
          {task.attempts} of {task.maxAttempts}
        </Fact>
        {task.priority !== 0 && <Fact name="Priority">{task.priority}</Fact>}
        <Fact name="Worker">
          {worker ? <Link href={to.workers({ filter: worker })}>{worker}</Link> : "–"}
        </Fact>
        <Fact name="Payload">{bytes(task.payloadBytes)}</Fact>
        {task.requestKey && <Fact name="Request key">{task.requestKey}</Fact>}
        {task.cancelReason && <Fact name="Cancelled because">{task.cancelReason}</Fact>}
        {task.progress && (
          <Fact name="Progress">
            {task.progress.fraction >= 0 && `${Math.round(task.progress.fraction * 100)} % `}
            {task.progress.message}
          </Fact>
        )}
      </dl>
    </section>
  );
}

// The states it went through, each with its time and how long after the one before.
function Times({ task }: { task: Task }) {
  const steps = [
    { name: "Submitted", at: task.submittedAtMs },
    { name: "Taken by its worker", at: task.leasedAtMs },
    { name: "Begun", at: task.startedAtMs },
    { name: "Ended", at: task.finishedAtMs },
    { name: "Is due", at: task.runAtMs },
    { name: "Deadline", at: task.deadlineAtMs },
    { name: "Outcome is kept until", at: task.expiresAtMs },
  ].filter(({ at }) => at > 0);
  return (
    <section aria-labelledby="times">
      <h2 id="times">Times</h2>
      <ol className="times">
        {steps.map(({ name, at }, index) => {
          const before = steps[index - 1]?.at;
          return (
            <li key={name}>
              <span>{name}</span>
              <span>
                <Moment at={at} />
              </span>
              <span className="dim">
                {exactTime(at)}
                {before !== undefined && at >= before && `, ${duration(at - before)} later`}
              </span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function LastError({ task }: { task: Task }) {
  if (!task.lastError) return null;
  const { type, message, worker, attempt } = task.lastError;
  return (
    <section aria-labelledby="error">
      <h2 id="error">Last error</h2>
      <p>
        <strong>{type}</strong>
        {attempt > 0 && `, attempt ${attempt}`}
        {worker && ` on ${worker}`}
      </p>
      <pre className="error-text">{message || "(no message)"}</pre>
    </section>
  );
}

// What went in and came out, fetched when asked for: it may be large, and is nobody else's.
function Contents({ task }: { task: Task }) {
  const { taskId, state, type, queue } = task;
  const again = { type, queue };
  return (
    <div className="columns">
      {!ENDED.includes(state) && (
        <Content title="Payload" load={(signal) => loadPayload(taskId, signal)} again={again} />
      )}
      {task.deadLetter && (
        <Content title="Payload" load={(signal) => loadDeadLetter(taskId, signal)} again={again} />
      )}
      {state === "TASK_STATE_SUCCEEDED" && (
        <Content title="Result" load={(signal) => loadResult(taskId, signal)} />
      )}
    </div>
  );
}
