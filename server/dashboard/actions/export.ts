// What a list shows, as a file: the fields of the API under their names, as `treadle -o csv` and
// `-o json` have them; nested ones by their path ("stats.queued").
import { count } from "../format";
import { notify } from "../notices";
import { asCallError } from "../wire";
import type { Scope } from "./bulk";

export type Format = "csv" | "json";

// A file of more would not fit into the page's memory in comfort.
const ROWS_MAX = 100_000;

type Flat = Record<string, unknown>;

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function rename(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rename);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [snake(name), rename(v)]));
}

function flatten(row: object, path = "", flat: Flat = {}): Flat {
  for (const [name, value] of Object.entries(row)) {
    if (isObject(value)) flatten(value, `${path}${name}.`, flat);
    else flat[path + name] = value;
  }
  return flat;
}

// A spreadsheet takes a cell that begins so for a formula.
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  let text = Array.isArray(value) ? JSON.stringify(value) : String(value);
  if (FORMULA.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(rows: object[]): string {
  const flat = rows.map((row) => flatten(rename(row) as object));
  const names = [...new Set(flat.flatMap(Object.keys))];
  const lines = flat.map((row) => names.map((name) => cell(row[name])).join(","));
  return [names.join(","), ...lines, ""].join("\r\n");
}

export async function exportRows<T>(
  label: string,
  format: Format,
  pages: Scope<T>["pages"],
  signal: AbortSignal,
): Promise<void> {
  const rows: object[] = [];
  let more = false;
  try {
    for await (const page of pages(signal)) {
      signal.throwIfAborted();
      rows.push(...(page as object[]).slice(0, ROWS_MAX - rows.length));
      more = rows.length >= ROWS_MAX;
      if (more) break;
    }
  } catch (error) {
    if (!signal.aborted) notify(asCallError(error).message, { failed: true });
    return;
  }
  const text = format === "csv" ? toCsv(rows) : JSON.stringify(rows.map(rename), null, 2);
  save(`treadle-${label.toLowerCase().replaceAll(/\W+/g, "-")}.${format}`, text);
  notify(`Saved ${count(rows.length)} rows${more ? "; there are more: narrow the filter" : ""}.`);
}

export function save(name: string, content: BlobPart) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
