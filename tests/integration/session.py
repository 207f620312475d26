"""A client's session stream in Python, whose submits survive lost connections."""

import queue
import threading
import time

import grpc

import api

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
BATCH = 500

# How streams end that the same session can go on after. RESOURCE_EXHAUSTED: more was waiting to be
# read than the broker keeps.
GO_ON = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


def task_id(session, sequence):
    """The id's text form, as proto/support/task_id.h tells it."""

    def number(value):
        text = ""
        while value:
            text = DIGITS[value & 31] + text
            value >>= 5
        return text

    return f"{number(session)}-{number(sequence)}"


def runs_of(tasks):
    """The runs that carry these (sequence, spec), in order."""
    runs = []
    for sequence, spec in tasks:
        common = api.task.TaskSpec()
        common.CopyFrom(spec)
        common.ClearField("payload")
        common.ClearField("request_key")
        run = runs[-1] if runs else None
        if (
            run is None
            or run.first_sequence + len(run.payload_sizes) != sequence
            or bool(run.request_keys) != bool(spec.request_key)
            or run.common != common
        ):
            run = api.tasks.TaskRun(first_sequence=sequence, common=common)
            runs.append(run)
        run.payload_sizes.append(len(spec.payload))
        run.payloads += spec.payload
        if spec.request_key:
            run.request_keys.append(spec.request_key)
    return runs


def outcomes_of(response, session):
    """What ended, in runs of this session and alone."""
    for run in response.succeeded:
        begin = 0
        for index, size in enumerate(run.result_sizes):
            yield api.task.Outcome(
                task_id=task_id(session, run.first_sequence + index),
                state=api.task.TASK_STATE_SUCCEEDED,
                result=run.results[begin : begin + size],
                content_type=run.content_type,
                attempts=run.attempts,
                finished_at_ms=run.finished_at_ms,
            )
            begin += size
    yield from response.outcomes


class Session:
    """Submits in order, sends again what was not answered, and notes every outcome it hears."""

    def __init__(self, connection, name="chaos"):
        self._stub = connection.tasks
        self._name = name
        self._lock = threading.Condition()
        self._news = queue.Queue()  # messages for the stream that is up
        self._next = 1
        self.session_id = 0
        self._resume_secret = b""
        self.connects = 0
        self.resent = 0
        self._sent_again = set()  # sequences
        self.pending = {}  # sequence -> spec: not answered
        self.acknowledged = {}  # id -> durability
        self.asked = {}  # id -> durability
        self.refused = {}  # sequence -> status
        self.awaited = set()  # ids whose outcome is still to come
        self.unknown = {}  # id -> status
        self.outcomes = {}  # id -> {(state, result, error type)}: more than one is a broken promise
        self.attempts = {}  # id -> attempts that its outcome tells
        self.failure = None
        self._stopped = False
        self._stream = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, specs):
        with self._lock:
            tasks = list(enumerate(specs, self._next))
            self.pending.update(tasks)
            self._next += len(tasks)
            self._news.put(api.tasks.SessionRequest(runs=runs_of(tasks)))

    def await_ids(self, ids):
        with self._lock:
            self.awaited.update(ids)
            self._news.put(api.tasks.SessionRequest(await_task_ids=ids))

    def wait(self, condition, what, limit_s):
        """Until condition(self) holds, which is looked at on every message."""
        end = time.monotonic() + limit_s
        with self._lock:
            while not condition(self):
                if self.failure:
                    raise AssertionError(self.failure)
                if time.monotonic() > end:
                    raise AssertionError(
                        f"waited {limit_s} s in vain for {what}: {len(self.pending)} submits "
                        f"unanswered, {len(self.awaited)} outcomes to come, e.g. "
                        f"{sorted(self.awaited)[:5]}"
                    )
                self._lock.wait(0.2)

    def close(self):
        with self._lock:
            self._stopped = True
            if self._stream is not None:
                self._stream.cancel()
        self._thread.join()

    def _run(self):
        while not self._stopped:
            try:
                self._hold_stream()
            except grpc.RpcError as error:
                code = error.code()
                if self._stopped:
                    return
                if code not in GO_ON:
                    with self._lock:
                        self.failure = f"the session ended with {code}: {error.details()}"
                    return
                time.sleep(0.05)

    def _hold_stream(self):
        opened = threading.Event()
        over = threading.Event()
        with self._lock:
            self._news = queue.Queue()
            self._stream = self._stub.Session(
                self._requests(self._news, opened, over), wait_for_ready=True
            )
        try:
            for response in self._stream:
                self._hear(response, opened)
        finally:
            over.set()
            opened.set()

    def _requests(self, news, opened, over):
        start = api.tasks.SessionOpen(
            session_id=self.session_id,
            client_name=self._name,
            resume_secret=self._resume_secret,
        )
        yield api.tasks.SessionRequest(open=start)
        opened.wait()
        while not over.is_set():
            try:
                yield news.get(timeout=0.3)
            except queue.Empty:  # time for a heartbeat
                with self._lock:
                    answered = min(self.pending, default=self._next)
                yield api.tasks.SessionRequest(acknowledged_below=answered)

    def _hear(self, response, opened):
        with self._lock:
            if response.HasField("opened"):
                if self.session_id not in (0, response.opened.session_id):
                    self.failure = "the broker opened another session than the one asked for"
                self.session_id = response.opened.session_id
                self._resume_secret = response.opened.resume_secret
                self.connects += 1
                self._go_on()
                opened.set()
            for accepted in response.accepted:
                for sequence in range(accepted.first_sequence, accepted.last_sequence + 1):
                    self._accept(sequence, accepted.durability)
            for refused in response.refused:
                for sequence in range(refused.first_sequence, refused.last_sequence + 1):
                    self.refused[sequence] = refused.status
                    self.pending.pop(sequence, None)
            for existing in response.existing:
                self._accept(existing.sequence, existing.durability)
            for outcome in outcomes_of(response, self.session_id):
                self._note(outcome)
            for unknown in response.unknown_tasks:
                self.unknown[unknown.task_id] = unknown.status
                self.awaited.discard(unknown.task_id)
            self._lock.notify_all()

    def _go_on(self):
        """On a new stream: everything unanswered again, in order, then the missing outcomes."""
        self._drain_news()
        tasks = sorted(self.pending.items())
        if self.connects > 1:
            self.resent += len(tasks)
            self._sent_again.update(self.pending)
        for start in range(0, len(tasks), BATCH):
            self._news.put(api.tasks.SessionRequest(runs=runs_of(tasks[start : start + BATCH])))
        ids = sorted(self.awaited)
        for start in range(0, len(ids), BATCH):
            self._news.put(api.tasks.SessionRequest(await_task_ids=ids[start : start + BATCH]))

    def _drain_news(self):
        while True:
            try:
                self._news.get_nowait()
            except queue.Empty:
                return

    def _accept(self, sequence, durability):
        spec = self.pending.pop(sequence, None)
        if spec is None:
            return  # an answer to what was sent twice
        name = task_id(self.session_id, sequence)
        self.acknowledged[name] = durability
        self.asked[name] = spec.durability
        if name not in self.outcomes:
            self.awaited.add(name)
            # Outcomes come by themselves only on the stream that carried the first acceptance.
            if sequence in self._sent_again:
                self._news.put(api.tasks.SessionRequest(await_task_ids=[name]))

    def _note(self, outcome):
        told = (outcome.state, outcome.result, outcome.error.type)
        self.outcomes.setdefault(outcome.task_id, set()).add(told)
        self.attempts[outcome.task_id] = outcome.attempts
        self.awaited.discard(outcome.task_id)
