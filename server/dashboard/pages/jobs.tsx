// What the broker does to many tasks by itself.
import { to } from "../addresses";
import { type Job, type JobSpec, jobService } from "../api";
import { count, enumWord } from "../format";
import { actionsAllowed } from "../page_settings";
import { perform } from "../notices";
import { Badge, Loaded } from "../parts";
import { usePoll } from "../polling";
import { Link } from "../routing";
import { type Column, Table } from "../table";
import { Moment } from "../time";

const SHOWN_MAX = 20;

function Matching({ filter, href }: { filter: string; href: string }) {
  return (
    <>
      {" "}
      that match <Link href={href}>{filter}</Link>
    </>
  );
}

function What({ spec }: { spec: JobSpec }) {
  const letters = spec.redriveDeadLetters?.letters ?? spec.deleteDeadLetters?.letters;
  const dry = spec.dryRun ? " (dry run)" : "";
  if (!letters) {
    const { queue, filter } = spec.cancelTasks?.tasks ?? {};
    return (
      <>
        Cancel tasks{queue ? " of " : ""}
        {queue && <Link href={to.queue(queue)}>{queue}</Link>}
        {filter && <Matching filter={filter} href={to.tasks(filter)} />}
        {dry}
      </>
    );
  }
  const those = (filter?: string) => to.deadGroup(letters.queue, letters.group || "all", filter);
  return (
    <>
      {spec.redriveDeadLetters ? "Redrive" : "Delete"} dead letters of{" "}
      <Link href={those()}>{letters.queue}</Link>
      {letters.filter && <Matching filter={letters.filter} href={those(letters.filter)} />}
      {dry}
    </>
  );
}

const cancel = (jobId: string) =>
  perform(() => jobService.cancelJob({ jobId }), `Job ${jobId} is cancelled.`);

function State({ job }: { job: Job }) {
  if (job.state !== "JOB_STATE_RUNNING") return <>{enumWord(job.state, "JOB_STATE_")}</>;
  return (
    <>
      {job.waitsFor ? <Badge tone="warning">waits</Badge> : "running"}{" "}
      {actionsAllowed && (
        <button type="button" onClick={() => void cancel(job.jobId)}>
          Cancel
        </button>
      )}
    </>
  );
}

const COLUMNS: Column<Job>[] = [
  {
    key: "what",
    title: "Job",
    fill: true,
    cell: (job) => (
      <>
        <What spec={job.spec!} /> <span className="dim">{job.waitsFor || job.spec!.reason}</span>
      </>
    ),
  },
  { key: "state", title: "State", cell: (job) => <State job={job} /> },
  {
    key: "seen",
    title: "Looked at",
    numeric: true,
    wide: true,
    cell: (job) => `${count(job.lookedAt)} of ${count(Math.max(job.total, job.lookedAt))}`,
  },
  { key: "done", title: "Done", numeric: true, cell: (job) => count(job.done) },
  {
    key: "refused",
    title: "Refused",
    numeric: true,
    wide: true,
    cell: (job) => count(job.refused),
  },
  {
    key: "started",
    title: "Started",
    numeric: true,
    cell: (job) => <Moment at={job.startedAtMs} />,
  },
];

export function Jobs() {
  const jobs = usePoll("jobs", (signal) => jobService.listJobs({ pageSize: SHOWN_MAX }, signal));
  return (
    <section aria-labelledby="jobs">
      <h2 id="jobs">Jobs</h2>
      <Loaded reading={jobs}>
        {({ jobs: latest }) => (
          <Table
            label="Jobs"
            columns={COLUMNS}
            rows={latest}
            keyOf={({ jobId }) => jobId}
            empty="None yet: what is done to all that match is a job."
          />
        )}
      </Loaded>
    </section>
  );
}
