import { type DeadLetter, type ItemStatus, deadLetterService } from "../api";
import { type Action, PACE, type Result, type Values, paceOf } from "./bulk";

const kind = ({ task }: DeadLetter): string => `${task!.type} in ${task!.queue}`;
const idsOf = (letters: DeadLetter[]): string[] => letters.map(({ task }) => task!.taskId);

const resultOf = (status: ItemStatus | undefined, taskId?: string): Result =>
  status?.code ? { problem: status.message || `error ${status.code}` } : { taskId };

const whereTo = ({ queue, attempts }: Values) => ({ queue, maxAttempts: Number(attempts) || 0 });

export const redriveDeadLetters: Action<DeadLetter> = {
  verb: "Redrive",
  done: "submitted again",
  one: "dead letter",
  many: "dead letters",
  note: "Each is submitted again under a new id, and stays what it is if it is not accepted.",
  fields: [
    { name: "queue", label: "Into queue", placeholder: "the one that it failed in" },
    { name: "attempts", label: "Attempts", placeholder: "as many as it had", numeric: true },
    PACE,
  ],
  kind,
  act: async (letters, values, signal) => {
    const ask = { taskIds: idsOf(letters), ...whereTo(values) };
    const { results } = await deadLetterService.redriveDeadLetters(ask, signal);
    return results.map(({ status, taskId }) => resultOf(status, taskId));
  },
  job: (letters, values) => ({
    redriveDeadLetters: { letters, ...whereTo(values) },
    ...paceOf(values),
  }),
};

export const deleteDeadLetters: Action<DeadLetter> = {
  verb: "Delete",
  done: "deleted",
  one: "dead letter",
  many: "dead letters",
  danger: true,
  note: "They are gone then, with their payloads.",
  kind,
  act: async (letters, _values, signal) => {
    const ask = { taskIds: idsOf(letters) };
    const { results } = await deadLetterService.deleteDeadLetters(ask, signal);
    return results.map((status) => resultOf(status));
  },
  job: (letters) => ({ deleteDeadLetters: { letters } }),
};
