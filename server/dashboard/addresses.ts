// The addresses of all pages.
export type Query = Record<string, string | undefined>;

export function address(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value) as [string, string][];
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

const part = encodeURIComponent;

export const to = {
  overview: () => "/",
  queues: (query?: { filter?: string; sort?: string; only?: string }) => address("/queues", query),
  queue: (name: string) => `/queues/${part(name)}`,
  tasks: (q?: string) => address("/tasks", { q }),
  task: (id: string) => `/tasks/${part(id)}`,
  dead: (query?: { queue?: string }) => address("/dead", query),
  deadGroup: (queue: string, group: string, filter?: string) =>
    address(`/dead/${part(queue)}/${part(group)}`, { filter }),
  workers: (query?: { filter?: string; only?: string }) => address("/workers", query),
  worker: (id: string) => `/workers/${part(id)}`,
  system: () => "/system",
};
