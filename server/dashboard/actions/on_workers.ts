import { type Worker, adminService } from "../api";
import { type Action, eachOf } from "./bulk";

export const releaseWorkers: Action<Worker> = {
  verb: "Release",
  done: "released",
  one: "worker",
  many: "workers",
  note: "Those that are in quarantine get tasks again: mend what fails there before.",
  fields: [{ name: "reason", label: "Reason", placeholder: "stands in the list of actions" }],
  kind: ({ name, quarantine }) => `${name}${quarantine ? "" : ", which is not in quarantine"}`,
  act: (workers, { reason }, signal) =>
    eachOf(workers, ({ workerId }) =>
      adminService.releaseWorker({ worker: workerId, reason }, signal),
    ),
};

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
