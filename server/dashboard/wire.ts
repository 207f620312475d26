// Calls of the broker over HTTP: the Connect protocol's unary JSON. JSON leaves out fields at their
// defaults and writes 64 bits as text; what `rpc` returns has every field, with numbers as numbers
// (the API's stay below 2^53). Bytes stay base64.

// How each field of a message is read: a scalar's name, an enum's first value, a message's name;
// "[]" before it: repeated; "?" before it: undefined when absent; "map".
export type Shape = Record<string, string>;

// A request: whatever is left out is at its default.
export type Ask<T> = {
  [K in keyof T]?: T[K] extends (infer U)[]
    ? Ask<U>[]
    : NonNullable<T[K]> extends object
      ? Ask<NonNullable<T[K]>>
      : T[K];
};

type Json = Record<string, unknown>;

// Connect's codes ("not_found", ...). "unavailable" is also a broker that does not answer.
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  // Whether the broker, rather than what was asked of it, is at fault: asking again may help.
  get unreachable(): boolean {
    return this.code === "unavailable";
  }
}

export function asCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  return new CallError("internal", error instanceof Error ? error.message : String(error));
}

// A broker whose disk hangs answers after ten seconds, with an error that says so.
const CALL_TIMEOUT_MS = 15_000;

// A function that makes the functions that call methods, "TaskService/GetTask" for example.
export function caller(shapes: Record<string, Shape>) {
  return <A, R>(method: string, answer: string) =>
    async (ask: Ask<A>, signal?: AbortSignal): Promise<R> => {
      const json = await post(`/treadle.v1.${method}`, ask, signal);
      return decode(shapes, answer, json) as R;
    };
}

async function post(path: string, ask: unknown, signal?: AbortSignal): Promise<Json> {
  const abort = new AbortController();
  const giveUp = () => abort.abort();
  const timer = setTimeout(giveUp, CALL_TIMEOUT_MS);
  signal?.addEventListener("abort", giveUp);
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
      body: JSON.stringify(ask),
      signal: abort.signal,
    });
    const text = await response.text();
    if (!response.ok) throw readError(response.status, text);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof CallError) throw error;
    if (signal?.aborted) throw new CallError("canceled", "Cancelled.");
    throw new CallError("unavailable", "The broker does not answer.");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

function readError(status: number, text: string): CallError {
  try {
    const { code, message } = JSON.parse(text);
    if (typeof code === "string") return new CallError(code, message || code);
  } catch {
    // Not the broker's own: a proxy's page, say.
  }
  const code = status === 502 || status === 503 || status === 504 ? "unavailable" : "unknown";
  return new CallError(code, `HTTP ${status}: ${text.slice(0, 200)}`);
}

export function decode(shapes: Record<string, Shape>, name: string, json: Json): Json {
  const shape = shapes[name];
  if (!shape) throw new CallError("internal", `no shape of ${name}: run make_types.py`);
  const message: Json = {};
  for (const field in shape) message[field] = decodeField(shapes, shape[field]!, json[field]);
  return message;
}

function decodeField(shapes: Record<string, Shape>, how: string, value: unknown): unknown {
  if (how.startsWith("[]")) {
    const items = (value ?? []) as unknown[];
    return items.map((item) => decodeField(shapes, how.slice(2), item));
  }
  if (how.startsWith("?")) {
    if (value === undefined || value === null) return undefined;
    return decodeField(shapes, how.slice(1), value);
  }
  if (how === "number") return Number(value ?? 0);
  if (how === "string") return value ?? "";
  if (how === "boolean") return value ?? false;
  if (how === "map") return value ?? {};
  if (how in shapes) return decode(shapes, how, (value ?? {}) as Json);
  return value ?? how;
}
