import { type Task, taskService } from "../api";
import { stateWord } from "../parts";
import { type Action, PACE, eachOf, paceOf } from "./bulk";

export const cancelTasks: Action<Task> = {
  verb: "Cancel",
  done: "cancelled, or told to stop",
  one: "task",
  many: "tasks",
  danger: true,
  note: "Those that run are told to stop. Those that have ended stay as they are.",
  fields: [{ name: "reason", label: "Reason", placeholder: "stands in the tasks' errors" }, PACE],
  kind: ({ queue, type, state }) => `${type} in ${queue}, ${stateWord(state)}`,
  act: (tasks, { reason }, signal) =>
    eachOf(tasks, ({ taskId }) => taskService.cancelTask({ taskId, reason }, signal)),
  job: (tasks, values) => ({
    cancelTasks: { tasks },
    reason: values.reason,
    ...paceOf(values),
  }),
};
