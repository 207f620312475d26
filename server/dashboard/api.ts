// Made by make_types.py from proto/treadle/v1, which says what everything means: do not edit.

import { type Shape, caller } from "./wire";

export type ActionKind =
  "ACTION_KIND_UNSPECIFIED" | "ACTION_KIND_QUEUE_CREATED" | "ACTION_KIND_QUEUE_UPDATED" |
  "ACTION_KIND_QUEUE_CLOSED" | "ACTION_KIND_QUEUE_REOPENED" | "ACTION_KIND_QUEUE_DELETED" |
  "ACTION_KIND_QUEUE_PAUSED" | "ACTION_KIND_QUEUE_RESUMED" | "ACTION_KIND_QUEUE_PURGED" |
  "ACTION_KIND_TASK_CANCELLED" | "ACTION_KIND_DEAD_LETTERS_REDRIVEN" |
  "ACTION_KIND_DEAD_LETTERS_DELETED" | "ACTION_KIND_JOB_STARTED" | "ACTION_KIND_JOB_CANCELLED" |
  "ACTION_KIND_DRAIN_SET" | "ACTION_KIND_DRAIN_REMOVED" | "ACTION_KIND_WORKER_RELEASED";

export type ChartSpan =
  "CHART_SPAN_UNSPECIFIED" | "CHART_SPAN_HOUR" | "CHART_SPAN_DAY";

export type Discipline =
  "DISCIPLINE_UNSPECIFIED" | "DISCIPLINE_FIFO" | "DISCIPLINE_LIFO" | "DISCIPLINE_PRIORITY";

export type HandlerAdvice =
  "HANDLER_ADVICE_UNSPECIFIED" | "HANDLER_ADVICE_TOO_FEW_RUNS" | "HANDLER_ADVICE_STAY" |
  "HANDLER_ADVICE_PROCESS" | "HANDLER_ADVICE_THREAD_OR_COROUTINE";

export type JobState =
  "JOB_STATE_UNSPECIFIED" | "JOB_STATE_RUNNING" | "JOB_STATE_DONE" | "JOB_STATE_CANCELLED";

export type OutputKind =
  "OUTPUT_KIND_UNSPECIFIED" | "OUTPUT_KIND_LOG" | "OUTPUT_KIND_STANDARD_ERROR" |
  "OUTPUT_KIND_PART" | "OUTPUT_KIND_NOTICE";

export type Reason =
  "REASON_UNSPECIFIED" | "REASON_ENDED" | "REASON_STOPS" | "REASON_RUNS" | "REASON_HOLDER_AWAY" |
  "REASON_HELD" | "REASON_NO_ROOM" | "REASON_DELAYED" | "REASON_BACKS_OFF" | "REASON_PURGED" |
  "REASON_PAUSED" | "REASON_NO_WORKER" | "REASON_WORKERS_AWAY" | "REASON_NO_HANDLER" |
  "REASON_WORKERS_DRAIN" | "REASON_BEHIND" | "REASON_SLOTS_BUSY" | "REASON_NEXT" |
  "REASON_CIRCUIT_OPEN" | "REASON_QUARANTINED";

export type ReasonEnd =
  "REASON_END_UNSPECIFIED" | "REASON_END_BY_OTHERS" | "REASON_END_BY_ITSELF" | "REASON_END_ABOUT" |
  "REASON_END_BY_OPERATOR";

export type StopReason =
  "STOP_REASON_UNSPECIFIED" | "STOP_REASON_CANCELLED" | "STOP_REASON_ATTEMPT_TIMEOUT" |
  "STOP_REASON_DEADLINE" | "STOP_REASON_LEASE_LOST";

export type TaskState =
  "TASK_STATE_UNSPECIFIED" | "TASK_STATE_SCHEDULED" | "TASK_STATE_QUEUED" | "TASK_STATE_RUNNING" |
  "TASK_STATE_SUCCEEDED" | "TASK_STATE_FAILED" | "TASK_STATE_CANCELLED" | "TASK_STATE_EXPIRED";

export interface Action {
  number: number;
  atMs: number;
  kind: ActionKind;
  subject: string;
  details: string;
  reason: string;
  actor: string;
  peer: string;
}

export interface AwaitTaskRequest {
  taskId: string;
  timeoutMs: number;
}

export interface AwaitTaskResponse {
  finished: boolean;
  outcome: Outcome | undefined;
}

export interface CancelAction {
  tasks: TaskSelection | undefined;
}

export interface CancelJobRequest {
  jobId: string;
}

export interface CancelJobResponse {
  job: Job | undefined;
}

export interface CancelTaskRequest {
  taskId: string;
  reason: string;
}

export interface CancelTaskResponse {
  task: Task | undefined;
}

export interface Charts {
  stepMs: number;
  timeMs: number[];
  submittedPerSecond: number[];
  succeededPerSecond: number[];
  failedPerSecond: number[];
  retriedPerSecond: number[];
  scheduled: number[];
  queued: number[];
  running: number[];
  oldestAgeMs: number[];
  deadLetters: number[];
  queueingP50Ms: number[];
  queueingP99Ms: number[];
  runningP50Ms: number[];
  runningP99Ms: number[];
  syncP50Ms: number[];
  syncP99Ms: number[];
}

export interface CircuitBreaker {
  failurePercent: number;
  minAttempts: number;
  windowMs: number;
  resumeAfterMs: number;
}

export interface DeadLetter {
  task: Task | undefined;
  group: string;
  bytes: number;
}

export interface DeadLetterGroup {
  queue: string;
  group: string;
  type: string;
  errorType: string;
  errorMessage: string;
  count: number;
  bytes: number;
  firstAtMs: number;
  lastAtMs: number;
  lastTaskId: string;
}

export interface DeadLetterPolicy {
  maxTasks: number | undefined;
  maxBytes: number | undefined;
  ttlMs: number | undefined;
}

export interface DeadLetterSelection {
  queue: string;
  group: string;
  type: string;
  filter: string;
}

export interface DeleteAction {
  letters: DeadLetterSelection | undefined;
}

export interface DeleteDeadLettersRequest {
  taskIds: string[];
}

export interface DeleteDeadLettersResponse {
  results: ItemStatus[];
}

export interface DeleteQueueRequest {
  name: string;
}

export type DeleteQueueResponse = Record<string, never>;

export interface Drain {
  drainId: string;
  worker: string;
  labels: Record<string, string>;
  reason: string;
  createdAtMs: number;
  endsAtMs: number;
  workers: number;
  busyWorkers: number;
}

export interface DrainWorkersRequest {
  worker: string;
  labels: Record<string, string>;
  reason: string;
  forMs: number;
}

export interface DrainWorkersResponse {
  workers: number;
  drain: Drain | undefined;
}

export interface ExplainTaskRequest {
  taskId: string;
}

export interface ExplainTaskResponse {
  task: Task | undefined;
  reasons: TaskReason[];
  lost: LostTime[];
}

export interface FailedAttempt {
  error: TaskError | undefined;
  runnableAtMs: number;
  leasedAtMs: number;
  startedAtMs: number;
  endedAtMs: number;
}

export interface GetChartsRequest {
  span: ChartSpan;
  afterMs: number;
}

export interface GetChartsResponse {
  charts: Charts | undefined;
}

export interface GetDeadLetterRequest {
  taskId: string;
}

export interface GetDeadLetterResponse {
  deadLetter: DeadLetter | undefined;
  payload: string;
  contentType: string;
  headers: Record<string, string>;
}

export interface GetJobRequest {
  jobId: string;
}

export interface GetJobResponse {
  job: Job | undefined;
}

export interface GetPayloadRequest {
  taskId: string;
}

export interface GetPayloadResponse {
  payload: string;
  contentType: string;
  headers: Record<string, string>;
}

export interface GetQueueRequest {
  name: string;
}

export interface GetQueueResponse {
  queue: Queue | undefined;
}

export type GetServerInfoRequest = Record<string, never>;

export interface GetServerInfoResponse {
  server: ServerInfo | undefined;
}

export interface GetTaskRequest {
  taskId: string;
}

export interface GetTaskResponse {
  task: Task | undefined;
}

export interface HandlerStats {
  type: string;
  pool: string;
  runs: number;
  measuredRuns: number;
  cpuMs: number;
  wallMs: number;
  advice: HandlerAdvice;
}

export interface ItemStatus {
  code: number;
  message: string;
}

export interface Job {
  jobId: string;
  spec: JobSpec | undefined;
  state: JobState;
  startedAtMs: number;
  endedAtMs: number;
  lookedAt: number;
  done: number;
  refused: number;
  refusals: JobRefusal[];
  total: number;
  waitsFor: string;
}

export interface JobRefusal {
  taskId: string;
  status: ItemStatus | undefined;
}

export interface JobSpec {
  redriveDeadLetters: RedriveAction | undefined;
  deleteDeadLetters: DeleteAction | undefined;
  cancelTasks: CancelAction | undefined;
  dryRun: boolean;
  tasksPerSecond: number;
  reason: string;
}

export interface Limits {
  payloadBytesMax: number;
  messageBytesMax: number;
  batchTasksMax: number;
  streamsPerClientMax: number;
  requestKeyWindowMs: number;
  queuesMax: number;
  unfinishedTasksMax: number;
}

export interface ListActionsRequest {
  pageSize: number;
  pageToken: string;
  subject: string;
  kinds: ActionKind[];
}

export interface ListActionsResponse {
  actions: Action[];
  nextPageToken: string;
}

export interface ListDeadLetterGroupsRequest {
  queue: string;
  pageSize: number;
  pageToken: string;
}

export interface ListDeadLetterGroupsResponse {
  groups: DeadLetterGroup[];
  nextPageToken: string;
}

export interface ListDeadLettersRequest {
  queue: string;
  group: string;
  type: string;
  pageSize: number;
  pageToken: string;
  filter: string;
}

export interface ListDeadLettersResponse {
  deadLetters: DeadLetter[];
  nextPageToken: string;
  searched: number;
}

export interface ListDrainsRequest {
  pageSize: number;
  pageToken: string;
}

export interface ListDrainsResponse {
  drains: Drain[];
  nextPageToken: string;
}

export interface ListJobsRequest {
  runningOnly: boolean;
  pageSize: number;
  pageToken: string;
}

export interface ListJobsResponse {
  jobs: Job[];
  nextPageToken: string;
}

export interface ListQueuesRequest {
  pageSize: number;
  pageToken: string;
}

export interface ListQueuesResponse {
  queues: Queue[];
  nextPageToken: string;
}

export interface ListTasksRequest {
  queue: string;
  states: TaskState[];
  type: string;
  includeFinished: boolean;
  pageSize: number;
  pageToken: string;
  filter: string;
}

export interface ListTasksResponse {
  tasks: Task[];
  nextPageToken: string;
  searched: number;
}

export interface ListWorkersRequest {
  pageSize: number;
  pageToken: string;
}

export interface ListWorkersResponse {
  workers: Worker[];
  nextPageToken: string;
}

export interface LostTime {
  reason: Reason;
  ms: number;
}

export interface Outcome {
  taskId: string;
  state: TaskState;
  result: string;
  contentType: string;
  error: TaskError | undefined;
  attempts: number;
  finishedAtMs: number;
}

export interface OutputEntry {
  kind: OutputKind;
  timeMs: number;
  data: string;
  contentType: string;
}

export interface OutputRun {
  firstOffset: number;
  attempt: number;
  superseded: boolean;
  entries: OutputEntry[];
}

export interface PauseQueueRequest {
  name: string;
  reason: string;
  resumeAfterMs: number;
}

export interface PauseQueueResponse {
  queue: Queue | undefined;
}

export interface Progress {
  fraction: number;
  message: string;
}

export interface PurgeQueueRequest {
  name: string;
}

export interface PurgeQueueResponse {
  cancelledTasks: number;
}

export interface Queue {
  config: QueueConfig | undefined;
  paused: boolean;
  createdAtMs: number;
  stats: QueueStats | undefined;
  closed: boolean;
  pausedAtMs: number;
  pauseReason: string;
  circuitOpen: boolean;
  resumeAtMs: number;
  version: number;
}

export interface QueueConfig {
  name: string;
  discipline: Discipline;
  maxTasks: number;
  maxBytes: number;
  deadLetters: DeadLetterPolicy | undefined;
  circuitBreaker: CircuitBreaker | undefined;
  failUnservedAfterMs: number;
}

export interface QueueStats {
  scheduled: number;
  queued: number;
  running: number;
  waitingBytes: number;
  waitingSubmitters: number;
  oldestAgeMs: number;
  submittedTotal: number;
  succeededTotal: number;
  failedTotal: number;
  cancelledTotal: number;
  expiredTotal: number;
  retriedTotal: number;
  submittedPerSecond: number;
  finishedPerSecond: number;
  deadLetters: number;
  deadLetterBytes: number;
}

export interface ReadOutputRequest {
  taskId: string;
  offset: number;
  bytesMax: number;
  waitMs: number;
}

export interface ReadOutputResponse {
  runs: OutputRun[];
  nextOffset: number;
  end: boolean;
  state: TaskState;
  attempt: number;
  progress: Progress | undefined;
}

export interface RedriveAction {
  letters: DeadLetterSelection | undefined;
  queue: string;
  maxAttempts: number;
}

export interface RedriveDeadLettersRequest {
  taskIds: string[];
  queue: string;
  maxAttempts: number;
}

export interface RedriveDeadLettersResponse {
  results: RedriveResult[];
}

export interface RedriveResult {
  status: ItemStatus | undefined;
  taskId: string;
}

export interface ReleaseWorkerRequest {
  worker: string;
  reason: string;
}

export interface ReleaseWorkerResponse {
  workers: number;
}

export interface RemoveDrainRequest {
  drainId: string;
}

export type RemoveDrainResponse = Record<string, never>;

export interface ResumeQueueRequest {
  name: string;
}

export interface ResumeQueueResponse {
  queue: Queue | undefined;
}

export interface ServerInfo {
  version: string;
  startedAtMs: number;
  nowMs: number;
  store: string;
  limits: Limits | undefined;
  unfinishedTasks: number;
  queues: number;
  workers: number;
  sessions: number;
  diskHungMs: number;
  stats: ServerStats | undefined;
}

export interface ServerStats {
  syncP50Ms: number;
  syncP99Ms: number;
  syncLastMs: number;
  turnRequestsMean: number;
  turnRequestsP99: number;
  turnBytesMean: number;
  turnBytesP99: number;
  residentBytes: number;
  payloadCacheBytes: number;
  payloadCacheBytesMax: number;
  waitingBytes: number;
  waitingBytesMax: number;
  unsyncedBytes: number;
  unsyncedBytesMax: number;
  incomingBytes: number;
  incomingLaneBytesMax: number;
  outgoingBytes: number;
  outgoingBytesMax: number;
}

export interface StartJobRequest {
  spec: JobSpec | undefined;
}

export interface StartJobResponse {
  job: Job | undefined;
}

export interface Task {
  taskId: string;
  queue: string;
  type: string;
  state: TaskState;
  priority: number;
  attempts: number;
  maxAttempts: number;
  submittedAtMs: number;
  runAtMs: number;
  deadlineAtMs: number;
  finishedAtMs: number;
  payloadBytes: number;
  worker: string;
  cancelRequested: boolean;
  lastError: TaskError | undefined;
  progress: Progress | undefined;
  requestKey: string;
  expiresAtMs: number;
  stopReason: StopReason;
  cancelReason: string;
  leasedAtMs: number;
  startedAtMs: number;
  failedAttempts: FailedAttempt[];
  deadLetter: boolean;
}

export interface TaskError {
  type: string;
  message: string;
  worker: string;
  attempt: number;
  permanent: boolean;
  exitCode: number | undefined;
  signal: number | undefined;
  retryAfterMs: number | undefined;
  details: string;
  detailsType: string;
}

export interface TaskReason {
  reason: Reason;
  sinceAtMs: number;
  end: ReasonEnd;
  untilAtMs: number;
  count: number;
  atLeast: boolean;
  workers: string[];
  text: string;
  advice: string;
}

export interface TaskSelection {
  queue: string;
  type: string;
  states: TaskState[];
  filter: string;
}

export interface UpdateQueueRequest {
  name: string;
  maxTasks: number | undefined;
  maxBytes: number | undefined;
  closed: boolean | undefined;
  deadLetters: DeadLetterPolicy | undefined;
  circuitBreaker: CircuitBreaker | undefined;
  ifVersion: number;
  failUnservedAfterMs: number | undefined;
}

export interface UpdateQueueResponse {
  queue: Queue | undefined;
}

export interface Worker {
  workerId: string;
  name: string;
  peer: string;
  connected: boolean;
  draining: boolean;
  queues: string[];
  pools: WorkerPoolStats[];
  attachedAtMs: number;
  leaseExpiresAtMs: number;
  succeededTotal: number;
  failedTotal: number;
  handlers: HandlerStats[];
  labels: Record<string, string>;
  quarantine: WorkerQuarantine | undefined;
}

export interface WorkerPoolStats {
  name: string;
  slots: number;
  free: number;
  leased: number;
  running: number;
  types: string[];
}

export interface WorkerQuarantine {
  sinceMs: number;
  failed: number;
  othersSucceeded: number;
  queue: string;
  type: string;
  error: TaskError | undefined;
}

// What JSON leaves out, and how it writes 64 bits, is put right by these: see wire.ts.
const shapes: Record<string, Shape> = {
  Action: {
    number: "number", atMs: "number", kind: "ACTION_KIND_UNSPECIFIED", subject: "string",
    details: "string", reason: "string", actor: "string", peer: "string",
  },
  AwaitTaskResponse: { finished: "boolean", outcome: "?Outcome" },
  CancelAction: { tasks: "?TaskSelection" },
  CancelJobResponse: { job: "?Job" },
  CancelTaskResponse: { task: "?Task" },
  Charts: {
    stepMs: "number", timeMs: "[]number", submittedPerSecond: "[]number",
    succeededPerSecond: "[]number", failedPerSecond: "[]number", retriedPerSecond: "[]number",
    scheduled: "[]number", queued: "[]number", running: "[]number", oldestAgeMs: "[]number",
    deadLetters: "[]number", queueingP50Ms: "[]number", queueingP99Ms: "[]number",
    runningP50Ms: "[]number", runningP99Ms: "[]number", syncP50Ms: "[]number",
    syncP99Ms: "[]number",
  },
  CircuitBreaker: {
    failurePercent: "number", minAttempts: "number", windowMs: "number", resumeAfterMs: "number",
  },
  DeadLetter: { task: "?Task", group: "string", bytes: "number" },
  DeadLetterGroup: {
    queue: "string", group: "string", type: "string", errorType: "string", errorMessage: "string",
    count: "number", bytes: "number", firstAtMs: "number", lastAtMs: "number", lastTaskId: "string",
  },
  DeadLetterPolicy: { maxTasks: "?number", maxBytes: "?number", ttlMs: "?number" },
  DeadLetterSelection: { queue: "string", group: "string", type: "string", filter: "string" },
  DeleteAction: { letters: "?DeadLetterSelection" },
  DeleteDeadLettersResponse: { results: "[]ItemStatus" },
  DeleteQueueResponse: {},
  Drain: {
    drainId: "string", worker: "string", labels: "map", reason: "string", createdAtMs: "number",
    endsAtMs: "number", workers: "number", busyWorkers: "number",
  },
  DrainWorkersResponse: { workers: "number", drain: "?Drain" },
  ExplainTaskResponse: { task: "?Task", reasons: "[]TaskReason", lost: "[]LostTime" },
  FailedAttempt: {
    error: "?TaskError", runnableAtMs: "number", leasedAtMs: "number", startedAtMs: "number",
    endedAtMs: "number",
  },
  GetChartsResponse: { charts: "?Charts" },
  GetDeadLetterResponse: {
    deadLetter: "?DeadLetter", payload: "string", contentType: "string", headers: "map",
  },
  GetJobResponse: { job: "?Job" },
  GetPayloadResponse: { payload: "string", contentType: "string", headers: "map" },
  GetQueueResponse: { queue: "?Queue" },
  GetServerInfoResponse: { server: "?ServerInfo" },
  GetTaskResponse: { task: "?Task" },
  HandlerStats: {
    type: "string", pool: "string", runs: "number", measuredRuns: "number", cpuMs: "number",
    wallMs: "number", advice: "HANDLER_ADVICE_UNSPECIFIED",
  },
  ItemStatus: { code: "number", message: "string" },
  Job: {
    jobId: "string", spec: "?JobSpec", state: "JOB_STATE_UNSPECIFIED", startedAtMs: "number",
    endedAtMs: "number", lookedAt: "number", done: "number", refused: "number",
    refusals: "[]JobRefusal", total: "number", waitsFor: "string",
  },
  JobRefusal: { taskId: "string", status: "?ItemStatus" },
  JobSpec: {
    redriveDeadLetters: "?RedriveAction", deleteDeadLetters: "?DeleteAction",
    cancelTasks: "?CancelAction", dryRun: "boolean", tasksPerSecond: "number", reason: "string",
  },
  Limits: {
    payloadBytesMax: "number", messageBytesMax: "number", batchTasksMax: "number",
    streamsPerClientMax: "number", requestKeyWindowMs: "number", queuesMax: "number",
    unfinishedTasksMax: "number",
  },
  ListActionsResponse: { actions: "[]Action", nextPageToken: "string" },
  ListDeadLetterGroupsResponse: { groups: "[]DeadLetterGroup", nextPageToken: "string" },
  ListDeadLettersResponse: {
    deadLetters: "[]DeadLetter", nextPageToken: "string", searched: "number",
  },
  ListDrainsResponse: { drains: "[]Drain", nextPageToken: "string" },
  ListJobsResponse: { jobs: "[]Job", nextPageToken: "string" },
  ListQueuesResponse: { queues: "[]Queue", nextPageToken: "string" },
  ListTasksResponse: { tasks: "[]Task", nextPageToken: "string", searched: "number" },
  ListWorkersResponse: { workers: "[]Worker", nextPageToken: "string" },
  LostTime: { reason: "REASON_UNSPECIFIED", ms: "number" },
  Outcome: {
    taskId: "string", state: "TASK_STATE_UNSPECIFIED", result: "string", contentType: "string",
    error: "?TaskError", attempts: "number", finishedAtMs: "number",
  },
  OutputEntry: {
    kind: "OUTPUT_KIND_UNSPECIFIED", timeMs: "number", data: "string", contentType: "string",
  },
  OutputRun: {
    firstOffset: "number", attempt: "number", superseded: "boolean", entries: "[]OutputEntry",
  },
  PauseQueueResponse: { queue: "?Queue" },
  Progress: { fraction: "number", message: "string" },
  PurgeQueueResponse: { cancelledTasks: "number" },
  Queue: {
    config: "?QueueConfig", paused: "boolean", createdAtMs: "number", stats: "?QueueStats",
    closed: "boolean", pausedAtMs: "number", pauseReason: "string", circuitOpen: "boolean",
    resumeAtMs: "number", version: "number",
  },
  QueueConfig: {
    name: "string", discipline: "DISCIPLINE_UNSPECIFIED", maxTasks: "number", maxBytes: "number",
    deadLetters: "?DeadLetterPolicy", circuitBreaker: "?CircuitBreaker",
    failUnservedAfterMs: "number",
  },
  QueueStats: {
    scheduled: "number", queued: "number", running: "number", waitingBytes: "number",
    waitingSubmitters: "number", oldestAgeMs: "number", submittedTotal: "number",
    succeededTotal: "number", failedTotal: "number", cancelledTotal: "number",
    expiredTotal: "number", retriedTotal: "number", submittedPerSecond: "number",
    finishedPerSecond: "number", deadLetters: "number", deadLetterBytes: "number",
  },
  ReadOutputResponse: {
    runs: "[]OutputRun", nextOffset: "number", end: "boolean", state: "TASK_STATE_UNSPECIFIED",
    attempt: "number", progress: "?Progress",
  },
  RedriveAction: { letters: "?DeadLetterSelection", queue: "string", maxAttempts: "number" },
  RedriveDeadLettersResponse: { results: "[]RedriveResult" },
  RedriveResult: { status: "?ItemStatus", taskId: "string" },
  ReleaseWorkerResponse: { workers: "number" },
  RemoveDrainResponse: {},
  ResumeQueueResponse: { queue: "?Queue" },
  ServerInfo: {
    version: "string", startedAtMs: "number", nowMs: "number", store: "string", limits: "?Limits",
    unfinishedTasks: "number", queues: "number", workers: "number", sessions: "number",
    diskHungMs: "number", stats: "?ServerStats",
  },
  ServerStats: {
    syncP50Ms: "number", syncP99Ms: "number", syncLastMs: "number", turnRequestsMean: "number",
    turnRequestsP99: "number", turnBytesMean: "number", turnBytesP99: "number",
    residentBytes: "number", payloadCacheBytes: "number", payloadCacheBytesMax: "number",
    waitingBytes: "number", waitingBytesMax: "number", unsyncedBytes: "number",
    unsyncedBytesMax: "number", incomingBytes: "number", incomingLaneBytesMax: "number",
    outgoingBytes: "number", outgoingBytesMax: "number",
  },
  StartJobResponse: { job: "?Job" },
  Task: {
    taskId: "string", queue: "string", type: "string", state: "TASK_STATE_UNSPECIFIED",
    priority: "number", attempts: "number", maxAttempts: "number", submittedAtMs: "number",
    runAtMs: "number", deadlineAtMs: "number", finishedAtMs: "number", payloadBytes: "number",
    worker: "string", cancelRequested: "boolean", lastError: "?TaskError", progress: "?Progress",
    requestKey: "string", expiresAtMs: "number", stopReason: "STOP_REASON_UNSPECIFIED",
    cancelReason: "string", leasedAtMs: "number", startedAtMs: "number",
    failedAttempts: "[]FailedAttempt", deadLetter: "boolean",
  },
  TaskError: {
    type: "string", message: "string", worker: "string", attempt: "number", permanent: "boolean",
    exitCode: "?number", signal: "?number", retryAfterMs: "?number", details: "string",
    detailsType: "string",
  },
  TaskReason: {
    reason: "REASON_UNSPECIFIED", sinceAtMs: "number", end: "REASON_END_UNSPECIFIED",
    untilAtMs: "number", count: "number", atLeast: "boolean", workers: "[]string", text: "string",
    advice: "string",
  },
  TaskSelection: {
    queue: "string", type: "string", states: "[]TASK_STATE_UNSPECIFIED", filter: "string",
  },
  UpdateQueueResponse: { queue: "?Queue" },
  Worker: {
    workerId: "string", name: "string", peer: "string", connected: "boolean", draining: "boolean",
    queues: "[]string", pools: "[]WorkerPoolStats", attachedAtMs: "number",
    leaseExpiresAtMs: "number", succeededTotal: "number", failedTotal: "number",
    handlers: "[]HandlerStats", labels: "map", quarantine: "?WorkerQuarantine",
  },
  WorkerPoolStats: {
    name: "string", slots: "number", free: "number", leased: "number", running: "number",
    types: "[]string",
  },
  WorkerQuarantine: {
    sinceMs: "number", failed: "number", othersSucceeded: "number", queue: "string",
    type: "string", error: "?TaskError",
  },
};

const call = caller(shapes);

export const adminService = {
  getServerInfo: call<GetServerInfoRequest, GetServerInfoResponse>(
    "AdminService/GetServerInfo", "GetServerInfoResponse"),
  listWorkers: call<ListWorkersRequest, ListWorkersResponse>(
    "AdminService/ListWorkers", "ListWorkersResponse"),
  drainWorkers: call<DrainWorkersRequest, DrainWorkersResponse>(
    "AdminService/DrainWorkers", "DrainWorkersResponse"),
  listDrains: call<ListDrainsRequest, ListDrainsResponse>(
    "AdminService/ListDrains", "ListDrainsResponse"),
  removeDrain: call<RemoveDrainRequest, RemoveDrainResponse>(
    "AdminService/RemoveDrain", "RemoveDrainResponse"),
  releaseWorker: call<ReleaseWorkerRequest, ReleaseWorkerResponse>(
    "AdminService/ReleaseWorker", "ReleaseWorkerResponse"),
  listActions: call<ListActionsRequest, ListActionsResponse>(
    "AdminService/ListActions", "ListActionsResponse"),
  getCharts: call<GetChartsRequest, GetChartsResponse>(
    "AdminService/GetCharts", "GetChartsResponse"),
};

export const deadLetterService = {
  listDeadLetters: call<ListDeadLettersRequest, ListDeadLettersResponse>(
    "DeadLetterService/ListDeadLetters", "ListDeadLettersResponse"),
  listDeadLetterGroups: call<ListDeadLetterGroupsRequest, ListDeadLetterGroupsResponse>(
    "DeadLetterService/ListDeadLetterGroups", "ListDeadLetterGroupsResponse"),
  getDeadLetter: call<GetDeadLetterRequest, GetDeadLetterResponse>(
    "DeadLetterService/GetDeadLetter", "GetDeadLetterResponse"),
  redriveDeadLetters: call<RedriveDeadLettersRequest, RedriveDeadLettersResponse>(
    "DeadLetterService/RedriveDeadLetters", "RedriveDeadLettersResponse"),
  deleteDeadLetters: call<DeleteDeadLettersRequest, DeleteDeadLettersResponse>(
    "DeadLetterService/DeleteDeadLetters", "DeleteDeadLettersResponse"),
};

export const jobService = {
  startJob: call<StartJobRequest, StartJobResponse>(
    "JobService/StartJob", "StartJobResponse"),
  getJob: call<GetJobRequest, GetJobResponse>(
    "JobService/GetJob", "GetJobResponse"),
  listJobs: call<ListJobsRequest, ListJobsResponse>(
    "JobService/ListJobs", "ListJobsResponse"),
  cancelJob: call<CancelJobRequest, CancelJobResponse>(
    "JobService/CancelJob", "CancelJobResponse"),
};

export const queueService = {
  getQueue: call<GetQueueRequest, GetQueueResponse>(
    "QueueService/GetQueue", "GetQueueResponse"),
  listQueues: call<ListQueuesRequest, ListQueuesResponse>(
    "QueueService/ListQueues", "ListQueuesResponse"),
  updateQueue: call<UpdateQueueRequest, UpdateQueueResponse>(
    "QueueService/UpdateQueue", "UpdateQueueResponse"),
  deleteQueue: call<DeleteQueueRequest, DeleteQueueResponse>(
    "QueueService/DeleteQueue", "DeleteQueueResponse"),
  pauseQueue: call<PauseQueueRequest, PauseQueueResponse>(
    "QueueService/PauseQueue", "PauseQueueResponse"),
  resumeQueue: call<ResumeQueueRequest, ResumeQueueResponse>(
    "QueueService/ResumeQueue", "ResumeQueueResponse"),
  purgeQueue: call<PurgeQueueRequest, PurgeQueueResponse>(
    "QueueService/PurgeQueue", "PurgeQueueResponse"),
};

export const taskService = {
  getTask: call<GetTaskRequest, GetTaskResponse>(
    "TaskService/GetTask", "GetTaskResponse"),
  getPayload: call<GetPayloadRequest, GetPayloadResponse>(
    "TaskService/GetPayload", "GetPayloadResponse"),
  awaitTask: call<AwaitTaskRequest, AwaitTaskResponse>(
    "TaskService/AwaitTask", "AwaitTaskResponse"),
  readOutput: call<ReadOutputRequest, ReadOutputResponse>(
    "TaskService/ReadOutput", "ReadOutputResponse"),
  cancelTask: call<CancelTaskRequest, CancelTaskResponse>(
    "TaskService/CancelTask", "CancelTaskResponse"),
  listTasks: call<ListTasksRequest, ListTasksResponse>(
    "TaskService/ListTasks", "ListTasksResponse"),
  explainTask: call<ExplainTaskRequest, ExplainTaskResponse>(
    "TaskService/ExplainTask", "ExplainTaskResponse"),
};
