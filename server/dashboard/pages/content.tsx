// A payload or a result: loaded when asked for, shown as JSON, as text or in hexadecimal.
import { useEffect, useRef, useState } from "react";

import { save } from "../actions/export";
import { deadLetterService, taskService } from "../api";
import { bytes, shellWord } from "../format";
import { CopyButton, Fact } from "../parts";
import { asCallError } from "../wire";

interface Loaded {
  data: Uint8Array;
  contentType: string;
  headers: Record<string, string>;
}

type View = "json" | "text" | "hex";

// More than this is to be saved, not read.
const SHOWN_BYTES_MAX = 64 * 1024;
const COMMAND_BYTES_MAX = 4 * 1024;

const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

export async function loadPayload(taskId: string, signal: AbortSignal): Promise<Loaded> {
  const { payload, ...rest } = await taskService.getPayload({ taskId }, signal);
  return { data: fromBase64(payload), ...rest };
}

export async function loadDeadLetter(taskId: string, signal: AbortSignal): Promise<Loaded> {
  const { payload, ...rest } = await deadLetterService.getDeadLetter({ taskId }, signal);
  return { data: fromBase64(payload), ...rest };
}

export async function loadResult(taskId: string, signal: AbortSignal): Promise<Loaded> {
  const { outcome } = await taskService.awaitTask({ taskId }, signal);
  const { result = "", contentType = "" } = outcome ?? {};
  return { data: fromBase64(result), contentType, headers: {} };
}

interface Props {
  title: string;
  load: (signal: AbortSignal) => Promise<Loaded>;
  // Of a payload: what it was submitted to, for a command that does it again.
  again?: { type: string; queue: string };
}

export function Content({ title, load, again }: Props) {
  const [loaded, show] = useState<Loaded>();
  const [problem, tell] = useState<string>();
  const [view, choose] = useState<View>("text");
  const abort = useRef<AbortController>();
  useEffect(() => () => abort.current?.abort(), []);

  const start = async () => {
    abort.current = new AbortController();
    tell(undefined);
    try {
      const content = await load(abort.current.signal);
      show(content);
      choose(bestView(content.data));
    } catch (error) {
      tell(asCallError(error).message);
    }
  };
  return (
    <section aria-label={title}>
      <h2>
        {title}
        {!loaded && (
          <button type="button" className="quiet" onClick={() => void start()}>
            Show
          </button>
        )}
      </h2>
      {problem && <p className="problem">{problem}</p>}
      {loaded && (
        <>
          <div className="toolbar">
            <span role="group" aria-label={`Show the ${title.toLowerCase()} as`} className="tabs">
              {(["json", "text", "hex"] as const).map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={view === name}
                  onClick={() => choose(name)}
                >
                  {name === "json" ? "JSON" : name}
                </button>
              ))}
            </span>
            <span className="dim">
              {bytes(loaded.data.length)} {loaded.contentType}
            </span>
            <span className="spacer" />
            {again &&
              loaded.data.length <= COMMAND_BYTES_MAX &&
              asText(loaded.data) !== undefined && (
                <CopyButton text={submitCommand(again, loaded)} label="Copy as command" />
              )}
            <button
              type="button"
              className="quiet"
              onClick={() => save(title.toLowerCase(), loaded.data as BlobPart)}
            >
              Save
            </button>
          </div>
          <pre className="content" tabIndex={0}>
            {render(loaded.data.subarray(0, SHOWN_BYTES_MAX), view)}
          </pre>
          {loaded.data.length > SHOWN_BYTES_MAX && (
            <p className="dim">The first {bytes(SHOWN_BYTES_MAX)} are shown.</p>
          )}
          <Headers headers={loaded.headers} />
        </>
      )}
    </section>
  );
}

function Headers({ headers }: { headers: Record<string, string> }) {
  const pairs = Object.entries(headers);
  if (pairs.length === 0) return null;
  return (
    <section aria-label="Headers">
      <h3>Headers</h3>
      <dl className="facts">
        {pairs.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
    </section>
  );
}

function submitCommand({ type, queue }: { type: string; queue: string }, { data }: Loaded): string {
  const words = ["treadle", "task", "submit", "--queue", queue, "--type", type];
  return [...words, "--payload", asText(data) ?? ""].map(shellWord).join(" ");
}

function asText(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}

function asJson(data: Uint8Array): string | undefined {
  try {
    return JSON.stringify(JSON.parse(asText(data) ?? ""), null, 2);
  } catch {
    return undefined;
  }
}

function bestView(data: Uint8Array): View {
  if (asJson(data) !== undefined) return "json";
  return asText(data) === undefined ? "hex" : "text";
}

function render(data: Uint8Array, view: View): string {
  if (data.length === 0) return "(empty)";
  if (view === "json") return asJson(data) ?? "(no JSON)";
  if (view === "text") return new TextDecoder().decode(data);
  return hexDump(data);
}

// As hexdump -C: place, sixteen bytes, and what is printable of them.
function hexDump(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.join(" ").padEnd(48)} ${text.join("")}`);
  }
  return lines.join("\n");
}
