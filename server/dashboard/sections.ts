import { to } from "./addresses";

// The dashboard's pages: the key behind "g", and the first part of their addresses.
export const SECTIONS = [
  { key: "o", title: "Overview", path: "", href: to.overview() },
  { key: "q", title: "Queues", path: "queues", href: to.queues() },
  { key: "t", title: "Tasks", path: "tasks", href: to.tasks() },
  { key: "d", title: "Dead letters", path: "dead", href: to.dead() },
  { key: "w", title: "Workers", path: "workers", href: to.workers() },
  { key: "s", title: "System", path: "system", href: to.system() },
];
