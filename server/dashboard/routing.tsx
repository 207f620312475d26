// The address is the state: each page is a path, and what it shows of it (filter, order, place) is
// the query. Back, forward and a copied address show what was shown.
import { type AnchorHTMLAttributes, type MouseEvent, useMemo, useSyncExternalStore } from "react";

import { type Query, address } from "./addresses";

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());
window.addEventListener("popstate", tell);

function useAddress(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => location.pathname + location.search,
  );
}

export function navigate(address: string, options: { replace?: boolean } = {}) {
  if (address === location.pathname + location.search) return;
  if (options.replace) history.replaceState(null, "", address);
  else {
    history.pushState(null, "", address);
    window.scrollTo(0, 0);
  }
  tell();
}

// The path's parts, decoded.
export function usePath(): string[] {
  const path = useAddress().split("?")[0]!;
  return useMemo(() => path.split("/").filter(Boolean).map(decodePart), [path]);
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// What the address says behind the "?", and how to change it. A change that replaces makes no step
// of the browser's history: for what is typed.
export function useQuery(): [URLSearchParams, (change: Query, replace?: boolean) => void] {
  const search = useAddress().split("?")[1] ?? "";
  return useMemo(() => {
    const change = (query: Query, replace = false) => {
      const next = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(query)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      navigate(address(location.pathname, Object.fromEntries(next)), { replace });
    };
    return [new URLSearchParams(search), change];
  }, [search]);
}

// A link within the dashboard. With a modifier, or another button, the browser does as it always
// does.
export function Link(props: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    props.onClick?.(event);
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!plain || event.defaultPrevented) return;
    event.preventDefault();
    navigate(props.href);
  };
  return <a {...props} onClick={follow} />;
}
