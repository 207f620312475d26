// What the broker wrote into index.html, and what this browser was told to keep.
import { useSyncExternalStore } from "react";

function meta(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}

// Whether the broker does what changes something (--dashboard-actions). Without it there are no
// buttons, and the broker refuses.
export const actionsAllowed = meta("treadle-actions") === "on";

export const REFRESH_CHOICES = [1, 2, 5, 15, 0] as const; // Seconds; 0: off.
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

interface Settings {
  refreshSeconds: number;
  theme: Theme;
}

const KEY = "treadle";

function load(): Settings {
  const settings: Settings = { refreshSeconds: 2, theme: "system" };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (REFRESH_CHOICES.includes(kept.refreshSeconds))
      settings.refreshSeconds = kept.refreshSeconds;
    if (THEMES.includes(kept.theme)) settings.theme = kept.theme;
  } catch {
    // Storage is refused, or has something else: the defaults do.
  }
  return settings;
}

let settings = load();
const listeners = new Set<() => void>();

function applyTheme() {
  if (settings.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}
applyTheme();

export const pageSettings = (): Settings => settings;

export function onPageSettings(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function changePageSettings(change: Partial<Settings>) {
  settings = { ...settings, ...change };
  applyTheme();
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // They hold until the page is closed.
  }
  listeners.forEach((listener) => listener());
}

export function usePageSettings(): Settings {
  return useSyncExternalStore(onPageSettings, pageSettings);
}
