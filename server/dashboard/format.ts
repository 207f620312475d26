// Numbers, sizes and times for people.

const whole = new Intl.NumberFormat("en");
const absolute = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
  hourCycle: "h23",
});
const exact = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});

export const count = (n: number): string => whole.format(n);

// "3 tasks", "1 task".
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  return perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    ++unit;
  }
  const digits = unit > 0 && n < 10 ? n.toFixed(1).replace(/\.0$/, "") : Math.round(n);
  return `${digits} ${units[unit]}`;
}

// "340 ms", "4.2 s", "12 min", "3 h 5 min", "2 d".
export function duration(ms: number): string {
  if (ms < 0) ms = 0;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return coarse(Math.round(seconds));
}

// Whole seconds and up, in one unit or two.
export function coarse(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60)
    return minutes < 10 ? twoUnits(minutes, "min", seconds % 60, "s") : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return twoUnits(hours, "h", minutes % 60, "min");
  return twoUnits(Math.floor(hours / 24), "d", hours % 24, "h");
}

function twoUnits(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}

export const dateTime = (ms: number): string => absolute.format(ms);

// To the millisecond; of today without the date.
export function exactTime(ms: number): string {
  const today = new Date().toDateString() === new Date(ms).toDateString();
  return today ? exact.format(ms) : absolute.format(ms);
}

// "TASK_STATE_FAILED" is "failed".
export function enumWord(value: string, prefix: string): string {
  return value.replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

// As the shell takes it: plain words as they are, all else in single quotes.
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

// "90", "10k", "4 GiB", "1.5 MiB", "14 d": what people type for numbers, sizes and lengths of time.
// Undefined: none of these.
export function parseAmount(text: string, units: Record<string, number>): number | undefined {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*$/i.exec(text.replaceAll("_", ""));
  if (!match) return undefined;
  const unit = Object.entries(units).find(
    ([name]) => name.toLowerCase() === match[2]!.toLowerCase(),
  );
  if (!unit) return undefined;
  return Math.round(Number(match[1]!.replace(",", ".")) * unit[1]);
}

export const COUNT_UNITS = { "": 1, k: 1_000, m: 1_000_000 };
export const BYTE_UNITS = {
  "": 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
};
export const TIME_UNITS = { ms: 1, s: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
