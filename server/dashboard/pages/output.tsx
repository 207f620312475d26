// What a task says while it runs, and what it said: the newest at the bottom, which stays in sight
// unless somebody scrolls up.
import { Fragment, memo, useLayoutEffect, useRef, useState } from "react";

import type { OutputKind } from "../api";
import { count, counted, exactTime } from "../format";
import { type Said, type Tail, isSuperseded, readOn, textOf } from "../output_tail";
import { CopyButton, Loaded } from "../parts";
import { refresh, usePoll } from "../polling";

const KINDS: Record<OutputKind, string> = {
  OUTPUT_KIND_UNSPECIFIED: "",
  OUTPUT_KIND_LOG: "log",
  OUTPUT_KIND_STANDARD_ERROR: "stderr",
  OUTPUT_KIND_PART: "part",
  OUTPUT_KIND_NOTICE: "notice",
};

// So near to the bottom is at the bottom.
const BOTTOM_PIXELS = 8;

export function Output({ taskId }: { taskId: string }) {
  const reading = usePoll<Tail>(`output ${taskId}`, (signal, before) =>
    readOn(taskId, before, signal),
  );
  return (
    <section aria-labelledby="output">
      <h2 id="output">Output</h2>
      <Loaded reading={reading}>
        {(tail) => (
          <>
            {tail.entries.length > 0 ? (
              <Log tail={tail} taskId={taskId} />
            ) : (
              <p className="dim">{emptyText(tail)}</p>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

function emptyText({ attempt, end }: Tail): string {
  if (end) return "It said nothing: no log, no standard error, no parts of its result.";
  return attempt === 0 ? "It has not run yet." : "It has said nothing so far.";
}

function Log({ tail, taskId }: { tail: Tail; taskId: string }) {
  const [follow, setFollow] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { current } = box;
    if (follow && current) current.scrollTop = current.scrollHeight;
  }, [follow, tail]);
  const noteScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = box.current!;
    setFollow(scrollHeight - scrollTop - clientHeight < BOTTOM_PIXELS);
  };
  return (
    <>
      <div className="toolbar">
        <label className="choice-box">
          <input
            type="checkbox"
            checked={follow}
            onChange={(event) => setFollow(event.target.checked)}
          />
          Keep the newest in sight
        </label>
        <span className="dim">
          {tail.dropped > 0 && `The newest ${count(tail.entries.length)} are shown. `}
          {tail.more && "There is more. "}
          {tail.end && "This is all."}
        </span>
        {tail.more && (
          <button type="button" onClick={refresh}>
            Load more
          </button>
        )}
        <span className="spacer" />
        <CopyButton text={`treadle task follow ${taskId}`} label="Copy command to follow it" />
      </div>
      <div
        className="output"
        role="log"
        aria-live="off"
        aria-labelledby="output"
        tabIndex={0}
        ref={box}
        onScroll={noteScroll}
      >
        {tail.entries.map((said, index) => (
          <Fragment key={said.offset}>
            {isOfAnother(said, tail.entries[index - 1]) && (
              <p className="attempt">
                Attempt {said.attempt}
                {isSuperseded(said, tail) && ", superseded: a later one has begun"}
              </p>
            )}
            <Line said={said} superseded={isSuperseded(said, tail)} />
          </Fragment>
        ))}
      </div>
    </>
  );
}

// A worker that is lost may cost no attempt: the next one's has the same number.
const isOfAnother = (said: Said, before?: Said): boolean =>
  said.attempt !== before?.attempt || said.superseded !== before.superseded;

const Line = memo(function Line({ said, superseded }: { said: Said; superseded: boolean }) {
  return (
    <>
      {said.missing > 0 && (
        <p className="dim">[{counted(said.missing, "entry", "entries")} not kept]</p>
      )}
      <div className="said" data-kind={KINDS[said.kind]} data-superseded={superseded || undefined}>
        <span className="dim">{exactTime(said.timeMs)}</span>
        <span className="dim">{KINDS[said.kind]}</span>
        <pre>{textOf(said)}</pre>
      </div>
    </>
  );
});
