#!/usr/bin/env python3
"""Brokers whose disk fails, fills up, or may not be written to.

Wants root, for mounts of its own.
"""

import os
import threading
import unittest

import api
import grpc
import mounts
import processes
from scenario import Scenario

EXIT_STORE_FAILED = 3
MIB = 1 << 20
PAYLOAD = 100_000


class Device(Scenario):
    def mount(self, size_bytes):
        try:
            disk = mounts.Disk(size_bytes)
        except mounts.Refused as why:
            self.skipTest(str(why))
        # Cleanups run last to first: when this one does, the processes have ended.
        self._cleanups.insert(0, (disk.close, (), {}))
        return disk

    def submit_all_the_time(self, broker):
        """From four threads, until the broker is gone or the test over. Returns the refusals."""
        connection = self.connect(broker)
        over = threading.Event()
        refusals = []

        def submit():
            spec = api.task.TaskSpec(queue="q", type="t", payload=b"x" * 2000)
            request = api.tasks.SubmitRequest(tasks=[spec] * 50)
            while broker.running() and not over.is_set():
                try:
                    results = connection.tasks.Submit(request, timeout=30).results
                except grpc.RpcError:
                    continue  # the broker is about to end
                refusals.extend(r.status.message for r in results if r.status.code != 0)
                if refusals:
                    return

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()

        def end():
            over.set()
            for thread in threads:
                thread.join()

        self.addCleanup(end)
        return refusals

    def ends_with_its_word(self, broker, *words):
        self.assertEqual(broker.wait(), EXIT_STORE_FAILED, broker.tail())
        for word in ("the store failed", *words):
            self.assertIn(word, broker.output())

    def test_a_device_that_fails_under_load_ends_the_broker_with_its_word(self):
        disk = self.mount(256 * MIB)
        broker = self.broker(data=disk.folder / "data")
        self.submit_all_the_time(broker)
        processes.wait_until(
            lambda: list((disk.folder / "data/rows").glob("*.log")), "a log"
        )
        disk.cut_power()
        self.ends_with_its_word(broker, "is on a device that failed")

    def test_a_read_only_file_system_is_named(self):
        disk = self.mount(64 * MIB)
        disk.make_read_only()
        broker = self.own(processes.Broker(self.folder, data=disk.folder / "data"))
        self.assertEqual(broker.start(wait=False).wait(), 1, broker.tail())
        self.assertIn("read-only: mount it for writing", broker.output())
        self.assertNotIn("chown", broker.output())

    def test_a_disk_that_others_fill_costs_no_task(self):
        """Submits are refused in time, or, where it fills too fast for that, the broker ends."""
        folder = self.mount(256 * MIB).folder
        broker = self.broker(data=folder / "data")
        spec = api.task.TaskSpec(queue="q", type="t", payload=b"x" * 2000)
        names = self.connect(broker).submit(*[spec] * 50)
        refusals = self.submit_all_the_time(broker)
        with open(folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(256 << 10))
            except OSError:
                pass
        processes.wait_until(lambda: refusals or not broker.running(), "the disk to be noticed")
        if broker.running():
            self.assertIn("disk is nearly full", refusals[0])
        else:
            self.ends_with_its_word(broker, "is on a full disk")
        os.unlink(folder / "filler")
        if not broker.running():
            broker.start()
        connection = self.connect(broker)
        for name in names:
            self.assertEqual(connection.show(name).queue, "q")
        self.until_accepted(connection)

    @staticmethod
    def until_accepted(connection):
        spec = api.task.TaskSpec(queue="again", type="t", payload=os.urandom(PAYLOAD))

        def accepted():
            request = api.tasks.SubmitRequest(tasks=[spec])
            return api.patiently(connection.tasks.Submit, request).results[0].status.code == 0

        # Space is given back in passes, with rests of up to 30 s on a machine that is busy.
        processes.wait_until(accepted, "submits to be accepted again", 2.5 * processes.LIMIT_S)

    def fill(self, connection, most):
        """Submits what cannot be compressed, as it is taken: `most`, and then until it is refused.

        What ended before is cleared away meanwhile. Returns how many tasks there are.
        """
        accepted = 0
        refused = []

        def submit():
            specs = [
                api.task.TaskSpec(queue="q", type="t", payload=os.urandom(PAYLOAD))
                for _ in range(10)
            ]
            request = api.tasks.SubmitRequest(tasks=specs)
            results = api.patiently(connection.tasks.Submit, request).results
            refused[:] = [r.status.message for r in results if r.status.code != 0]
            if refused:
                self.assertIn("disk is nearly full", refused[0])
            nonlocal accepted
            accepted += len(results) - len(refused)
            return accepted >= most and refused

        processes.wait_until(submit, f"{most} tasks to be accepted, and then no more")
        return accepted

    @staticmethod
    def finish(connection, count):
        """Every task that waits in the queue."""
        succeeded = api.workers.ATTEMPT_END_SUCCEEDED
        while count > 0:
            reports = [
                api.workers.AttemptReport(token=leased.token, end=succeeded)
                for leased in connection.lease(["q"], max_tasks=30)
            ]
            request = api.workers.CompleteRequest(reports=reports)
            results = api.patiently(connection.workers.Complete, request).results
            count -= sum(result.status.code == 0 for result in results)

    def test_a_disk_that_is_full_of_tasks_takes_more_when_they_have_ended(self):
        """Without any help, and whether or not the broker was started again meanwhile."""
        disk = self.mount(400 * MIB)
        broker = self.broker(data=disk.folder / "data")
        connection = self.connect(broker)
        restarts = [lambda: None, broker.restart, lambda: (broker.terminate(), broker.start())]
        for restart in restarts:
            count = self.fill(connection, 200 * MIB // PAYLOAD)
            restart()
            self.assertEqual(connection.info().unfinished_tasks, count)
            self.finish(connection, count)
            self.until_accepted(connection)
            (left,) = connection.lease(["again"])
            self.assertEqual(connection.complete(left).code, 0)
            self.assertTrue(broker.running(), broker.tail())


if __name__ == "__main__":
    unittest.main(verbosity=2)
