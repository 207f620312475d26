// The frame around every page: where one can go, the search, the pace, and whether the broker is
// there.
import { useEffect, useMemo, useRef, useState } from "react";

import { to } from "./addresses";
import { Help } from "./help";
import { type Key, useKeys } from "./keyboard";
import { Notices } from "./notices";
import {
  REFRESH_CHOICES,
  THEMES,
  type Theme,
  changePageSettings,
  usePageSettings,
} from "./page_settings";
import { DeadGroupPage } from "./pages/dead_group";
import { DeadLettersPage } from "./pages/dead_letters";
import { OverviewPage } from "./pages/overview";
import { QueuePage } from "./pages/queue";
import { QueuesPage } from "./pages/queues";
import { SystemPage } from "./pages/system";
import { TaskPage } from "./pages/task";
import { TasksPage } from "./pages/tasks";
import { WorkerPage } from "./pages/worker";
import { WorkersPage } from "./pages/workers";
import { Palette } from "./palette";
import { PageHead } from "./parts";
import { refresh, useLostSince } from "./polling";
import { useServer } from "./questions";
import { Link, navigate, usePath, useQuery } from "./routing";
import { taskIdOf } from "./search";
import { SearchForm } from "./search_form";
import { SECTIONS } from "./sections";
import { moveRow, toggleRow } from "./table";
import { Moment } from "./time";

export function App() {
  const path = usePath();
  const [overlay, show] = useState<"help" | "palette">();
  const search = useRef<HTMLInputElement>(null);
  const lostSince = useLostSince();
  useServer(); // Also its clock, which all times are shown by.

  const keys = useMemo<Key[]>(
    () => [
      { keys: "/", does: "search for tasks", run: () => search.current?.select() },
      { keys: "j", does: "next row", run: () => moveRow(1) },
      { keys: "k", does: "previous row", run: () => moveRow(-1) },
      { keys: "x", does: "select the row, or not", run: toggleRow },
      { keys: "r", does: "refresh now", run: refresh },
      ...SECTIONS.map(({ key, title, href }) => ({
        keys: `g ${key}`,
        does: `go to ${title}`,
        run: () => navigate(href),
      })),
      { keys: "?", does: "this list", run: () => show("help") },
    ],
    [],
  );
  useKeys(keys);
  usePaletteKey(() => show("palette"));
  useEscape(() => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  });
  useTitle(path);
  useFocusOnPage(path);

  return (
    <div className="frame" data-lost={lostSince !== undefined || undefined}>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="bar">
        <Link href={to.overview()} className="brand">
          Treadle
        </Link>
        <SearchBox input={search} />
        <button type="button" className="quiet palette-button" onClick={() => show("palette")}>
          Go to … <kbd>Ctrl K</kbd>
        </button>
        <RefreshChoice />
        <ThemeChoice />
        <button type="button" className="quiet" onClick={() => show("help")} aria-label="Keys">
          ?
        </button>
      </header>
      <Sections here={path[0] ?? ""} />
      <main id="main" tabIndex={-1}>
        {lostSince !== undefined && (
          <p className="lost">
            {/* Read out once: without the time, which changes. */}
            <strong role="alert">The broker does not answer.</strong> What is shown is what it said
            last; it was lost <Moment at={lostSince} />, and is asked again every two seconds.
          </p>
        )}
        <div className="page">
          <Page path={path} />
        </div>
      </main>
      <Notices />
      {overlay === "help" && <Help keys={keys} onClose={() => show(undefined)} />}
      {overlay === "palette" && <Palette onClose={() => show(undefined)} />}
    </div>
  );
}

function Page({ path }: { path: string[] }) {
  const [section = "", name, part] = path;
  if (path.length === 0) return <OverviewPage />;
  if (section === "queues" && path.length === 1) return <QueuesPage />;
  if (section === "queues" && path.length === 2) return <QueuePage key={name} name={name!} />;
  if (section === "tasks" && path.length === 1) return <TasksPage />;
  if (section === "tasks" && path.length === 2) return <TaskPage key={name} id={name!} />;
  if (section === "dead" && path.length === 1) return <DeadLettersPage />;
  if (section === "dead" && path.length === 3)
    return <DeadGroupPage key={`${name}/${part}`} queue={name!} group={part!} />;
  if (section === "workers" && path.length === 1) return <WorkersPage />;
  if (section === "workers" && path.length === 2) return <WorkerPage key={name} id={name!} />;
  if (section === "system" && path.length === 1) return <SystemPage />;
  return (
    <>
      <PageHead title="There is no such page" />
      <p>
        <Link href={to.overview()}>Go to the overview</Link>
      </p>
    </>
  );
}

function Sections({ here }: { here: string }) {
  return (
    <nav className="sections" aria-label="Pages">
      {SECTIONS.map(({ title, path, href, key }) => (
        <Link key={path} href={href} aria-current={path === here ? "page" : undefined}>
          {title}
          <kbd aria-hidden="true">g {key}</kbd>
        </Link>
      ))}
    </nav>
  );
}

function SearchBox({ input }: { input: React.RefObject<HTMLInputElement> }) {
  const path = usePath();
  const [query] = useQuery();
  const search = (text: string) => {
    const id = taskIdOf(text);
    navigate(id ? to.task(id) : to.tasks(text));
    input.current?.blur();
  };
  return (
    <SearchForm
      label="Search for tasks"
      placeholder="Search tasks: queue:mail state:failed error~timeout age>5m, or an id"
      className="search"
      asked={path[0] === "tasks" && path.length === 1 ? (query.get("q") ?? "") : ""}
      onSearch={search}
      input={input}
    >
      <kbd aria-hidden="true">/</kbd>
    </SearchForm>
  );
}

function RefreshChoice() {
  const { refreshSeconds } = usePageSettings();
  return (
    <label className="choice-box">
      <span>Refresh</span>
      <select
        value={refreshSeconds}
        onChange={(event) => changePageSettings({ refreshSeconds: Number(event.target.value) })}
      >
        {REFRESH_CHOICES.map((seconds) => (
          <option key={seconds} value={seconds}>
            {seconds === 0 ? "off" : `${seconds} s`}
          </option>
        ))}
      </select>
    </label>
  );
}

function ThemeChoice() {
  const { theme } = usePageSettings();
  return (
    <label className="choice-box">
      <span>Theme</span>
      <select
        value={theme}
        onChange={(event) => changePageSettings({ theme: event.target.value as Theme })}
      >
        {THEMES.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

// Ctrl-K is heard everywhere, in inputs, too.
function usePaletteKey(open: () => void) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) open();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

// Escape leaves an input, so that single keys are heard again. A dialog has its own.
function useEscape(leave: () => void) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) leave();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function useTitle(path: string[]) {
  const section = SECTIONS.find((candidate) => candidate.path === (path[0] ?? ""));
  const title = [...path.slice(1), section?.title, "Treadle"].filter(Boolean).join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
}

// What was followed is gone with its page; the focus goes on in the new one, not at the very top.
function useFocusOnPage(path: string[]) {
  useEffect(() => {
    const { activeElement, body } = document;
    if (activeElement === body) document.getElementById("main")?.focus({ preventScroll: true });
  }, [path]);
}
