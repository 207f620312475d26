#!/usr/bin/env python3
"""A broker that is paused, overloaded, or whose disk hangs: living workers keep their tasks."""

import re
import signal
import subprocess
import threading
import time
import unittest

import api
import grpc
import processes
from scenario import Scenario

SUCCEEDED = api.task.TASK_STATE_SUCCEEDED
RUNNING = api.task.TASK_STATE_RUNNING
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"  # grpc.health.v1.HealthCheckResponse

LEASE_S = 2
PAUSE_S = 6


def health(connection):
    """What the standard health service says, as bytes."""
    check = connection.channel.unary_unary("/grpc.health.v1.Health/Check")
    return check(b"", timeout=api.DEADLINE_S)


class Flood:
    """A client that submits to a queue that nobody works on, as fast as it can."""

    def __init__(self, address):
        self.stopped = threading.Event()
        self.accepted = 0
        self.address = address
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection = api.Connection(self.address)
        specs = [api.task.TaskSpec(queue="flood", type="t", payload=b"x" * 100)] * 1_000
        while not self.stopped.is_set():
            try:
                response = connection.tasks.Submit(api.tasks.SubmitRequest(tasks=specs), timeout=60)
            except grpc.RpcError:
                time.sleep(0.05)
                continue
            self.accepted += sum(result.status.code == 0 for result in response.results)
        connection.close()

    def stop(self):
        self.stopped.set()
        self.thread.join()


class Stall(Scenario):
    @staticmethod
    def lines(file):
        return len(file.read_text().splitlines()) if file.exists() else 0

    def start_tasks(self, broker, connection, count=50):
        """Tasks that run until the returned file appears."""
        runs, go = self.folder / "runs", self.folder / "go"
        text = f'echo run >> "{runs}"; until [ -e "{go}" ]; do sleep 0.2; done'
        self.worker(broker.address, "--allow-exec=/bin/sh", f"--concurrency={count}")
        names = connection.submit(*[api.exec_spec(["/bin/sh", "-c", text])] * count)
        processes.wait_until(lambda: self.lines(runs) == count, "all tasks to run")
        return names, runs, go

    def check_ran_once(self, connection, names, runs, go):
        for name in names:
            self.assertEqual(connection.show(name).state, RUNNING)
        go.touch()
        for name in names:
            outcome = connection.outcome(name)
            self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertEqual(self.lines(runs), len(names))

    def test_a_pause_under_load_costs_nobody_its_lease(self):
        """Promise 5. The broker stands still for longer than leases last."""
        broker = self.broker(f"--lease-time={LEASE_S}s")
        connection = self.connect(broker)
        names, runs, go = self.start_tasks(broker, connection)
        floods = [Flood(broker.address) for _ in range(2)]
        try:
            processes.wait_until(lambda: all(flood.accepted > 0 for flood in floods), "a flood")
            for _ in range(2):
                broker.pause()
                time.sleep(PAUSE_S)  # the pause itself
                broker.resume()
                before = [flood.accepted for flood in floods]
                processes.wait_until(
                    lambda: all(f.accepted > b for f, b in zip(floods, before, strict=True)),
                    "submits to go on",
                )
        finally:
            for flood in floods:
                flood.stop()
        self.check_ran_once(connection, names, runs, go)

    def treadle(self, broker, *words):
        """A command of `treadle`, started; what it says is in the files `out` and `err`."""
        self.commands = getattr(self, "commands", 0) + 1
        files = [self.folder / f"treadle-{self.commands}.{end}" for end in ("out", "err")]
        with open(files[0], "wb") as out, open(files[1], "wb") as err:
            child = subprocess.Popen(
                [processes.BIN / "treadle", "--broker", broker.address, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        child.out, child.err = files
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    @staticmethod
    def wait_for_text(file, text):
        processes.wait_until(lambda: text in file.read_text(), f"{file.name} to say: {text}")

    @staticmethod
    def wait_for_log(broker, text):
        processes.wait_until(lambda: text in broker.output(), f"the log to say: {text}")

    def frozen_disk(self):
        """A file system of our own that can be frozen."""
        image, folder = self.folder / "image", self.folder / "disk"
        folder.mkdir()
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        for command in (
            ["mkfs.ext4", "-q", str(image)],
            ["mount", "-o", "loop", str(image), str(folder)],
        ):
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"'{' '.join(command[:1])}' is refused here: {done.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=False)
        # Whatever happens: a frozen file system cannot even be left.
        self.addCleanup(
            subprocess.run, ["fsfreeze", "-u", str(folder)], check=False, capture_output=True
        )
        return folder

    def test_a_disk_that_hangs_is_told_and_what_needs_no_disk_goes_on(self):
        disk = self.frozen_disk()
        broker = self.broker(f"--lease-time={LEASE_S}s", data=disk / "data", http="127.0.0.1:0")
        connection = self.connect(broker)
        names, runs, go = self.start_tasks(broker, connection, count=10)
        self.assertEqual(health(connection), SERVING)
        self.assertEqual(processes.http_get(broker.http, "/readyz"), (200, "ready\n"))
        subprocess.run(["fsfreeze", "-f", str(disk)], check=True)
        specs = [api.task.TaskSpec(queue="q", type="t") for _ in range(2)]
        specs[0].durability = api.task.DURABILITY_SYNCED
        specs[1].durability = api.task.DURABILITY_MEMORY
        specs[0].request_key = "once"
        safe = connection.tasks.Submit.future(
            api.tasks.SubmitRequest(tasks=specs[:1]), timeout=api.DEADLINE_S
        )
        submit = self.treadle(broker, "submit", "--type", "t", "--queue", "q")
        run = self.treadle(broker, "map", "--", "/bin/echo", ":::", "item")
        processes.wait_until(lambda: health(connection) == NOT_SERVING, "health to say so")
        self.wait_for_log(broker, "the disk has not answered")
        code, why = processes.http_get(broker.http, "/readyz")
        self.assertEqual(code, 503)
        self.assertIn("disk has not answered for", why)
        self.assertEqual(processes.http_get(broker.http, "/healthz"), (200, "ok\n"))
        told = processes.http_get(broker.http, "/metrics")[1]
        self.assertGreaterEqual(float(re.search(r"\ntreadle_store_hung_seconds (.*)", told)[1]), 3)
        # Longer than leases last: their worker is heard all the while.
        end = time.monotonic() + 2 * LEASE_S
        while time.monotonic() < end:
            self.assertGreater(connection.info().unfinished_tasks, 0)
            self.assertEqual(connection.show(names[0]).state, RUNNING)
            connection.submit(specs[1])
            time.sleep(0.1)
        # Those who wait are told: on their streams, or by the end of their call.
        for command in (submit, run):
            self.wait_for_text(command.err, "the broker's disk has not answered for")
            self.assertIsNone(command.poll())
        self.wait_for_text(self.folder / "worker.log", "the broker's disk has not answered for")
        quick = self.treadle(
            broker, "submit", "--type", "t", "--queue", "q", "--durability", "memory"
        )
        self.assertEqual(quick.wait(processes.LIMIT_S), 0)
        info = self.treadle(broker, "server", "info")
        self.assertEqual(info.wait(processes.LIMIT_S), 0)
        self.assertRegex(info.out.read_text(), "disk +has not answered for")
        error = safe.exception(timeout=processes.LIMIT_S)
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertIn("the broker's disk has not answered for", error.details())
        self.assertIn("may still be stored", error.details())
        subprocess.run(["fsfreeze", "-u", str(disk)], check=True)
        again = connection.tasks.Submit(
            api.tasks.SubmitRequest(tasks=specs[:1]), timeout=api.DEADLINE_S
        )
        self.assertEqual(again.results[0].status.code, 0)
        self.assertTrue(again.results[0].existing)
        self.assertEqual(submit.wait(processes.LIMIT_S), 0)
        self.assertEqual(len(submit.out.read_text().split()), 1)
        self.assertEqual(submit.err.read_text().count("has not answered"), 1)
        processes.wait_until(lambda: health(connection) == SERVING, "health to be well again")
        self.wait_for_log(broker, "the disk answers again")
        self.check_ran_once(connection, names, runs, go)

    def test_a_frozen_disk_with_a_backlog_behind_it_costs_nobody_its_lease(self):
        """Promise 5. Heartbeats and reports do not wait for the disk, nor behind submits."""
        disk = self.frozen_disk()
        broker = self.broker(f"--lease-time={LEASE_S}s", data=disk / "data")
        connection = self.connect(broker)
        names, runs, go = self.start_tasks(broker, connection, count=20)
        subprocess.run(["fsfreeze", "-f", str(disk)], check=True)
        specs = [api.task.TaskSpec(queue="backlog", type="t", payload=b"x" * 100)] * 1_000
        backlog = [
            connection.tasks.Submit.future(
                api.tasks.SubmitRequest(tasks=specs), timeout=api.DEADLINE_S
            )
            for _ in range(20)
        ]
        time.sleep(4 * LEASE_S)  # the disk's pause itself
        subprocess.run(["fsfreeze", "-u", str(disk)], check=True)
        # All are answered: those that waited too long by the status that says why.
        for submit in backlog:
            error = submit.exception(timeout=processes.LIMIT_S)
            if error is None:
                self.assertTrue(all(r.status.code == 0 for r in submit.result().results))
            else:
                self.assertIn("the broker's disk has not answered for", error.details())
        self.check_ran_once(connection, names, runs, go)

    def test_a_stop_waits_for_a_disk_that_hangs(self):
        """What was accepted is made durable first, as at any stop."""
        disk = self.frozen_disk()
        broker = self.broker(data=disk / "data")
        connection = self.connect(broker)
        connection.submit(api.task.TaskSpec(queue="q", type="t"))
        subprocess.run(["fsfreeze", "-f", str(disk)], check=True)
        spec = api.task.TaskSpec(queue="q", type="t", durability=api.task.DURABILITY_MEMORY)
        connection.submit(spec)
        broker.signal(signal.SIGTERM)
        self.wait_for_log(broker, "the disk has not answered")
        self.assertTrue(broker.running())
        subprocess.run(["fsfreeze", "-u", str(disk)], check=True)
        self.assertEqual(broker.wait(), 0)
        broker.start()
        self.assertEqual(self.connect(broker).info().unfinished_tasks, 2)


if __name__ == "__main__":
    unittest.main()
