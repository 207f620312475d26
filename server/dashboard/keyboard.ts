// Keys for what the mouse does. They are single letters, so they rest while somebody types, and
// while a dialog is open, which has the keys of its own.
import { useEffect } from "react";

export interface Key {
  // "j", "?", "g q": one key after the other.
  keys: string;
  does: string;
  run: () => void;
}

// How long a "g" waits for what follows it.
const SEQUENCE_MS = 1_500;

export function useKeys(bindings: Key[]) {
  useEffect(() => {
    let first = "";
    let firstAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || rests(event.target)) return;
      const sequence = Date.now() - firstAt < SEQUENCE_MS ? `${first} ${event.key}` : event.key;
      const binding = bindings.find(({ keys }) => keys === sequence);
      first = "";
      if (binding) {
        event.preventDefault();
        binding.run();
      } else if (bindings.some(({ keys }) => keys.startsWith(`${event.key} `))) {
        first = event.key;
        firstAt = Date.now();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [bindings]);
}

function rests(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]")) return true;
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox";
  return target.matches("textarea, select, [contenteditable]");
}
