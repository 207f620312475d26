#!/usr/bin/env python3
"""soak.py [MINUTES [SEED]]: a bad day of a broker's, with nothing left over at its end.

Six clients submit, one of them over a slow link; a stock worker and one in Python, which extends
what it holds, serve them. Every 20 s something breaks: the broker is killed, or stopped past every
lease, or a worker is killed. All the while others are a nuisance: connections beyond the bound,
bytes that are no HTTP/2, readers that do not read, calls that wait and are given up, names that
nobody uses.

Then: every acknowledged task has ended, in one way; no attempt was lost but those that a worker
held when it was killed; and when all but the broker have gone, its descriptors are those that it
began with, and its memory is what it was when the load had settled. The last third has no kills of
the broker, so that the process that is compared has lived through something.
"""

import collections
import json
import pathlib
import random
import shutil
import socket
import sys
import tempfile
import threading
import time

import grpc

import api
import processes
from chaos_worker import QUEUE, TYPE
from proxy import Proxy
from session import Session

LEASE_MS = 5000
BREAK_EVERY_S = 20
CONNECTIONS_MAX = 60
CONCURRENCY = 8
SLOW_BYTES_PER_S = 200_000
LARGE_BYTES = 256 << 10
# At most so many tasks are on their way in one answer to the worker in Python.
LEASED_AT_ONCE = 8
# Memory is compared with that under load, when all had come, and caches had filled: an idle broker
# has done nothing yet, and what it holds then says nothing of what may stay.
SETTLE_S = 60
# A memtable (64 MiB) may have been new then and be full now; the rest is the allocator's.
MEMORY_SLACK_KIB = (64 + 16) << 10
# Descriptors are compared with those of the idle broker; the store has more tables open than then.
DESCRIPTORS_SLACK = 16


class Nuisances:
    """What nobody should have to suffer from. Each round opens some, and leaves none behind."""

    def __init__(self, address, seed):
        self._address = address
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self.rounds = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.is_set():
            for nuisance in (self._connect, self._babble, self._ignore, self._wait, self._name):
                try:
                    nuisance()
                except (OSError, grpc.RpcError):
                    pass  # the broker is away, or has had enough of us
            self.rounds += 1

    def _sockets(self, count):
        host, port = self._address.rsplit(":", 1)
        opened = []
        try:
            for _ in range(count):
                opened.append(socket.create_connection((host, int(port)), timeout=5))
        except OSError:
            pass
        return opened

    def _connect(self):
        """More connections than the broker takes, all idle."""
        opened = self._sockets(2 * CONNECTIONS_MAX)
        self._stop.wait(0.5)
        for each in opened:
            each.close()

    def _babble(self):
        for each in self._sockets(10):
            each.sendall(self._random.randbytes(self._random.randrange(1, 4000)))
            each.close()

    def _ignore(self):
        """A reader that opens a stream of large outcomes and does not read."""
        connection = api.Connection(self._address)
        try:
            specs = [api.task.TaskSpec(queue=QUEUE, type="echo", payload=bytes(LARGE_BYTES),
                                       result_ttl_ms=1000) for _ in range(4)]
            ids = [result.task_id for result in connection.tasks.Submit(
                api.tasks.SubmitRequest(tasks=specs), timeout=5).results]
            calls = [connection.tasks.WatchTask(api.tasks.WatchTaskRequest(task_id=name), timeout=5)
                     for name in ids for _ in range(8)]
            self._stop.wait(0.5)
            for call in calls:
                call.cancel()
        finally:
            connection.close()

    def _wait(self):
        """Calls that would wait for an hour, and are given up."""
        connection = api.Connection(self._address)
        try:
            (result,) = connection.tasks.Submit(api.tasks.SubmitRequest(tasks=[
                api.task.TaskSpec(queue="nobody", type="nobody", deadline_in_ms=5000)]),
                timeout=5).results
            request = api.tasks.AwaitTaskRequest(task_id=result.task_id, timeout_ms=3_600_000)
            calls = [connection.tasks.AwaitTask.future(request) for _ in range(50)]
            self._stop.wait(0.2)
            for call in calls:
                call.cancel()
        finally:
            connection.close()

    def _name(self):
        """Polls of queues that nobody has heard of."""
        connection = api.Connection(self._address)
        try:
            calls = [connection.workers.Lease.future(api.workers.LeaseRequest(
                queues=[f"nowhere-{self._random.randrange(1 << 30)}" for _ in range(50)],
                wait_ms=60_000)) for _ in range(20)]
            self._stop.wait(0.2)
            for call in calls:
                call.cancel()
        finally:
            connection.close()


class Client:
    """Submits at a pace, at one durability."""

    def __init__(self, name, address, spec, at_once=10, unfinished_max=400):
        self.connection = api.Connection(address)
        self.session = Session(self.connection, name=name)
        self.spec = spec
        self.at_once = at_once
        self.unfinished_max = unfinished_max
        self.submitted = 0

    def submit(self):
        session = self.session
        if session.failure:
            raise AssertionError(f"{session.failure}")
        if len(session.pending) + len(session.awaited) < self.unfinished_max:
            session.submit([self.spec] * self.at_once)
            self.submitted += self.at_once

    def close(self):
        self.session.close()
        self.connection.close()


def echo(payload_bytes, **fields):
    fields = {"type": "echo", "durability": api.task.DURABILITY_SYNCED, **fields}
    return api.task.TaskSpec(queue=QUEUE, payload=bytes(payload_bytes), max_attempts=1000, **fields)


class Soak:
    def __init__(self, minutes, seed):
        self.seconds = minutes * 60
        self.random = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="treadle-soak-"))
        self.counts = collections.Counter()
        self.processes = []
        self.broker = self.own(processes.Broker(
            self.folder, f"--lease-time={LEASE_MS}ms", f"--connections-max={CONNECTIONS_MAX}"))
        self.workers = []
        self.admin = None  # a connection of our own
        self.killed = {}  # the name of a worker -> the tasks that the broker saw with it, or None

    def own(self, process):
        self.processes.append(process)
        return process

    def start_worker(self, index):
        name = f"worker-{index}-{self.counts['workers killed']}"
        if index == 0:
            process = processes.Script(self.folder, name, "chaos_worker.py", self.broker.address,
                                       name, self.folder / f"{name}.journal", LEASE_MS)
        else:
            process = processes.Worker(self.folder, self.broker.address, "--allow-exec=/bin/sleep",
                                       f"--concurrency={CONCURRENCY}", name=name, queues=[QUEUE])
        return self.own(process).start()

    def run(self):
        self.broker.start()
        self.admin = api.Connection(self.broker.address)
        _, descriptors = self.show("before anyone came")
        self.workers = [self.start_worker(index) for index in range(2)]
        slow = Proxy(self.broker.address, bytes_per_s=SLOW_BYTES_PER_S)
        near = self.broker.address
        clients = [
            Client("one", near, echo(100)),
            Client("two", near, echo(1000, durability=api.task.DURABILITY_WRITTEN)),
            Client("large", near, echo(20_000)),
            Client("noted", near, echo(100, type=TYPE)),
            Client("slow", slow.address, echo(5000)),
            # Some run all the time, and for longer than a lease.
            Client("long", near, api.exec_spec(["/bin/sleep", "7"], queue=QUEUE, max_attempts=1000),
                   at_once=1, unfinished_max=CONCURRENCY // 2),
        ]
        nuisances = Nuisances(near, self.random.random())
        try:
            settling = min(SETTLE_S, self.seconds / 4)
            memory = self.settle(clients, settling)
            self.work(clients, 2 * self.seconds / 3 - settling,
                      [self.kill_broker, self.pause_broker, self.kill_worker])
            self.work(clients, self.seconds / 3, [self.pause_broker, self.kill_worker])
            self.finish(clients)
            nuisances.stop()
            processes.wait_until(lambda: self.admin.info().unfinished_tasks == 0,
                                 "what nuisances submitted to end")
        finally:
            nuisances.stop()
            for client in clients:
                client.close()
            slow.close()
            self.admin.close()
        self.counts["rounds of nuisances"] = nuisances.rounds
        for worker in self.workers:
            worker.kill()
        self.leave_nothing(memory, descriptors)

    def settle(self, clients, seconds):
        """Without breaks. The broker's memory then, whatever nuisances just do."""
        self.work(clients, seconds / 2, [lambda: None])
        samples = []
        for _ in range(9):
            self.work(clients, seconds / 18, [lambda: None])
            samples.append(self.holds()[0])
        memory = sorted(samples)[len(samples) // 2]
        print(f"  under load, settled: {memory >> 10} MiB", flush=True)
        return memory

    def work(self, clients, seconds, breaks):
        end = time.monotonic() + seconds
        next_break = time.monotonic() + BREAK_EVERY_S / 2
        next_look = time.monotonic() + 60
        while time.monotonic() < end:
            for client in clients:
                client.submit()
            if time.monotonic() >= next_break:
                self.random.choice(breaks)()
                next_break += BREAK_EVERY_S
            if time.monotonic() >= next_look:
                self.show("a minute later")
                next_look += 60
            time.sleep(0.05)

    def kill_broker(self):
        self.counts["broker kills"] += 1
        self.broker.restart()

    def pause_broker(self):
        self.counts["broker pauses"] += 1
        self.broker.pause()
        time.sleep(1.5 * LEASE_MS / 1000)
        self.broker.resume()

    def kill_worker(self):
        self.counts["workers killed"] += 1
        index = self.random.randrange(2)
        worker = self.workers[index]
        worker.kill()
        # Until its leases are over, the broker shows what it held.
        since = time.monotonic()
        held = self.held_by(worker.name)
        in_time = time.monotonic() - since < LEASE_MS / 1000 / 2
        self.killed[worker.name] = held if in_time else None
        self.workers[index] = self.start_worker(index)

    def held_by(self, worker):
        request = api.tasks.ListTasksRequest(states=[api.task.TASK_STATE_RUNNING], page_size=1000)
        held = set()
        while True:
            page = api.patiently(self.admin.tasks.ListTasks, request)
            held.update(task.task_id for task in page.tasks if task.worker == worker)
            if not page.next_page_token:
                return held
            request.page_token = page.next_page_token

    def holds(self):
        """The broker: KiB of memory, and descriptors."""
        status = pathlib.Path(f"/proc/{self.broker.pid}/status").read_text(encoding="ascii")
        memory = int(status.split("VmRSS:")[1].split()[0])
        descriptors = len(list(pathlib.Path(f"/proc/{self.broker.pid}/fd").iterdir()))
        return memory, descriptors

    def show(self, when):
        memory, descriptors = self.holds()
        print(f"  {when}: {memory >> 10} MiB, {descriptors} descriptors", flush=True)
        return memory, descriptors

    def finish(self, clients):
        for client in clients:
            client.session.wait(lambda s: not s.pending and not s.awaited,
                                "every acknowledged task to end", processes.LIMIT_S)
        problems = []
        attempts = {}  # of the tasks that took several
        for client in clients:
            session = client.session
            self.counts["acknowledged"] += len(session.acknowledged)
            self.counts["connections of clients"] += session.connects
            if len(session.acknowledged) != client.submitted:
                problems.append(f"refused: {list(session.refused.items())[:3]}")
            for name in session.acknowledged:
                told = session.outcomes.get(name, set())
                if len(told) != 1 or next(iter(told))[0] != api.task.TASK_STATE_SUCCEEDED:
                    problems.append(f"task {name} ended so: {told}")
                if session.attempts.get(name, 1) > 1:
                    attempts[name] = session.attempts[name]
        self.counts["attempts lost"] = sum(attempts.values()) - len(attempts)
        problems += self.judge_losses(attempts)
        if problems:
            raise AssertionError("\n".join(problems[:20]))

    def judge_losses(self, attempts):
        """Every attempt that was lost was a killed worker's: a worker that lives loses nothing."""
        leases = self.noted_leases()
        unseen = 0
        for name, its_leases in leases.items():
            *lost, _ = sorted(its_leases)
            for token, worker, reported in lost:
                if worker not in self.killed:
                    yield f"task {name} was taken from {worker}, which lives: token {token}"
                elif reported:
                    yield f"task {name} was given out again after {worker}'s report, token {token}"
        for name, count in attempts.items():
            if name in leases:
                unseen += max(0, count - len(leases[name]))
            else:
                holders = sum(name in held for held in self.killed.values() if held is not None)
                unseen += max(0, count - 1 - holders)
        # Attempts of which no journal and no list tells. An answer to the worker in Python goes
        # with the broker that sends it, or with the worker; what a stock worker held may not have
        # been seen in time.
        noting_killed = sum(worker.startswith("worker-0-") for worker in self.killed)
        may_be = LEASED_AT_ONCE * (self.counts["broker kills"] + noting_killed)
        may_be += CONCURRENCY * sum(held is None for held in self.killed.values())
        self.counts["attempts lost with nobody's knowledge"] = unseen
        if unseen > may_be:
            yield f"{unseen} attempts were lost that no killed worker held; {may_be} may be"

    def noted_leases(self):
        """Of each task, what the workers in Python noted: (token, worker, report accepted)."""
        leases = collections.defaultdict(list)
        for path in self.folder.glob("*.journal"):
            noted, accepted = {}, set()
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if "task" in entry:
                    noted[entry["token"]] = entry["task"]
                elif entry.get("code") == 0:
                    accepted.add(entry["token"])
            for token, name in noted.items():
                leases[name].append((token, path.stem, token in accepted))
        return leases

    def leave_nothing(self, memory, descriptors):
        processes.wait_until(lambda: self.holds()[1] <= descriptors + DESCRIPTORS_SLACK,
                             "the broker to let go of what was closed", 60)
        after, _ = self.show("at the end")
        # A sanitizer keeps back what was freed.
        if after > memory + MEMORY_SLACK_KIB and not processes.SANITIZED:
            raise AssertionError(f"the broker grew from {memory} to {after} KiB")
        self.broker.kill()
        for what, count in self.counts.items():
            print(f"  {count:7} {what}")


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"soak for {minutes:g} minutes, seed {seed}", flush=True)
    soak = Soak(minutes, seed)
    try:
        soak.run()
    except BaseException:
        for process in soak.processes[:6]:
            print(f"--- end of {process.log}\n{process.tail()}")
            process.kill()
        print(f"--- kept: {soak.folder}; again: soak.py {minutes:g} {seed}")
        raise
    shutil.rmtree(soak.folder)


if __name__ == "__main__":
    main()
