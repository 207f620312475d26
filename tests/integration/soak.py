#!/usr/bin/env python3
"""soak.py [MINUTES [SEED]]: a bad day of a broker's, with nothing left over at its end.

Five clients submit, one of them over a slow link; a stock worker and one in Python, which extends
what it holds, serve them. Every 20 s something breaks: the broker is killed, or stopped past every
lease, or a worker is killed. All the while others are a nuisance: connections beyond the bound,
bytes that are no HTTP/2, readers that do not read, calls that wait and are given up, names that
nobody uses. The last third has no kills of the broker, so that what it holds can be compared.

Then: every acknowledged task has ended, in one way; what no killed worker held took one attempt;
and when all but the broker have gone, its descriptors and its memory are what they were.
"""

import collections
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
UNFINISHED_MAX = 400  # of one client
SLOW_BYTES_PER_S = 200_000
LARGE_BYTES = 256 << 10
# What RocksDB's memtables and block cache may have grown by, and what allocators keep.
MEMORY_SLACK_KIB = 160 << 10
DESCRIPTORS_SLACK = 8


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

    def __init__(self, name, address, durability, payload_bytes, kind="echo"):
        self.connection = api.Connection(address)
        self.session = Session(self.connection, name=name)
        self.spec = api.task.TaskSpec(queue=QUEUE, type=kind, durability=durability,
                                      payload=bytes(payload_bytes), max_attempts=1000)
        self.submitted = 0

    def submit(self):
        session = self.session
        if session.failure:
            raise AssertionError(f"{session.failure}")
        if len(session.pending) + len(session.awaited) < UNFINISHED_MAX:
            session.submit([self.spec] * 10)
            self.submitted += 10

    def close(self):
        self.session.close()
        self.connection.close()


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

    def own(self, process):
        self.processes.append(process)
        return process

    def start_worker(self, index):
        name = f"worker-{index}-{self.counts['workers killed']}"
        if index == 0:
            process = processes.Script(self.folder, name, "chaos_worker.py", self.broker.address,
                                       name, self.folder / f"{name}.journal", LEASE_MS)
        else:
            process = processes.Worker(self.folder, self.broker.address, "--allow-exec=/bin/true",
                                       f"--concurrency={CONCURRENCY}", name=name, queues=[QUEUE])
        return self.own(process).start()

    def run(self):
        self.broker.start()
        self.workers = [self.start_worker(index) for index in range(2)]
        slow = Proxy(self.broker.address, bytes_per_s=SLOW_BYTES_PER_S)
        near = self.broker.address
        synced, written = api.task.DURABILITY_SYNCED, api.task.DURABILITY_WRITTEN
        clients = [Client("one", near, synced, 100), Client("two", near, written, 1000),
                   Client("large", near, synced, 20_000), Client("noted", near, synced, 100, TYPE),
                   Client("slow", slow.address, synced, 5000)]
        nuisances = Nuisances(near, self.random.random())
        try:
            self.work(clients, 2 * self.seconds / 3, [self.kill_broker, self.pause_broker,
                                                      self.kill_worker])
            before = self.show("after the kills")
            self.work(clients, self.seconds / 3, [self.pause_broker, self.kill_worker])
            self.finish(clients)
            nuisances.stop()
            connection = api.Connection(near)
            processes.wait_until(lambda: connection.info().unfinished_tasks == 0,
                                 "what nuisances submitted to end")
            connection.close()
        finally:
            nuisances.stop()
            for client in clients:
                client.close()
            slow.close()
        self.counts["rounds of nuisances"] = nuisances.rounds
        for worker in self.workers:
            worker.kill()
        self.leave_nothing(before)

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
        self.workers[index].kill()
        self.workers[index] = self.start_worker(index)

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
        again = 0
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
                again += session.attempts.get(name, 1) - 1
        self.counts["attempts of killed workers"] = again
        if again > CONCURRENCY * self.counts["workers killed"]:
            problems.append(f"{again} attempts were lost, more than killed workers held")
        if problems:
            raise AssertionError("\n".join(problems[:20]))

    def leave_nothing(self, before):
        memory, descriptors = before
        processes.wait_until(lambda: self.holds()[1] <= descriptors + DESCRIPTORS_SLACK,
                             "the broker to let go of what was closed", 60)
        after, _ = self.show("at the end")
        if after > memory + MEMORY_SLACK_KIB:
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
