import { type Worker, adminService } from "../api";
import { type Action, eachOf } from "./bulk";

export const drainWorkers: Action<Worker> = {
  verb: "Drain",
  done: "told to end",
  one: "worker",
  many: "workers",
  danger: true,
  note: "They finish what they run, and end. The drain stands, for others, too, until removed.",
  kind: ({ name, pools }) =>
    `${name}, running ${pools.reduce((sum, { running }) => sum + running, 0)} tasks`,
  act: (workers, _values, signal) =>
    eachOf(workers, ({ workerId }) => adminService.drainWorkers({ worker: workerId }, signal)),
};
