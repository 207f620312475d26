// An action on all that match, as a job of the broker: what it does does not end with the page.
import { type Job, jobService } from "../api";
import type { JobAsk, Progress } from "./bulk";

const LOOK_EVERY_MS = 500;

// The reason with which a signal tells that somebody has left, and not that the job shall end.
export const LEFT = "left";

function progressOf(job: Job): Progress {
  const refused = new Map<string, number>();
  for (const { status } of job.refusals) {
    const why = status?.message ?? "";
    refused.set(why, (refused.get(why) ?? 0) + 1);
  }
  // The first few say why; the others are counted.
  const unsaid = job.refused - job.refusals.length;
  if (unsaid > 0) refused.set("for reasons that are not kept", unsaid);
  return {
    seen: job.lookedAt,
    done: job.done,
    refused,
    kinds: new Map(),
    taskIds: [],
    waitsFor: job.waitsFor,
  };
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LOOK_EVERY_MS);
    const stop = () => (clearTimeout(timer), resolve());
    signal.addEventListener("abort", stop, { once: true });
  });
}

export async function runJob(
  spec: JobAsk,
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  let job = (await jobService.startJob({ spec }, signal)).job!;
  for (;;) {
    tell(progressOf(job));
    if (job.state !== "JOB_STATE_RUNNING") return;
    await pause(signal);
    if (signal.aborted) {
      if (signal.reason !== LEFT) await jobService.cancelJob({ jobId: job.jobId });
      signal.throwIfAborted();
    }
    job = (await jobService.getJob({ jobId: job.jobId }, signal)).job!;
  }
}
