#!/usr/bin/env python3
"""More connections than the process may have: the broker bounds them, says so, and goes on."""

import itertools
import os
import resource
import socket
import time
import unittest

import api
import grpc
import processes
from scenario import Scenario

EXIT_STORE_FAILED = 3


class Descriptors(Scenario):
    def idle(self, broker, count):
        host, port = broker.address.rsplit(":", 1)
        sockets = []
        for _ in range(count):
            one = socket.create_connection((host, int(port)), timeout=processes.LIMIT_S)
            self.addCleanup(one.close)
            sockets.append(one)
        return sockets

    def works(self, broker):
        """A new client's task makes its way."""
        connection = self.connect(broker)
        (name,) = connection.submit(api.task.TaskSpec(queue="after", type="a"))
        (task,) = connection.lease(["after"])
        self.assertEqual(connection.complete(task).code, 0)
        self.assertEqual(connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)

    def count(self, broker):
        return len(os.listdir(f"/proc/{broker.pid}/fd"))

    def test_a_hard_limit_that_is_used_up(self):
        broker = self.broker(within=("prlimit", "--nofile=256:256"))
        self.assertIn("open files: 256;", broker.output())
        self.assertIn("--connections-max is 120", broker.output())
        self.works(broker)
        before = self.count(broker)
        sockets = self.idle(broker, 600)
        self.works(broker)
        self.assertLess(self.count(broker), 256)
        for one in sockets:
            one.close()
        processes.wait_until(lambda: self.count(broker) < before + 20, "descriptors to close")
        self.works(broker)
        self.assertTrue(broker.running())

    def test_the_soft_limit_is_raised(self):
        broker = self.broker(within=("prlimit", "--nofile=128:2000"))
        self.assertIn("open files: 2000 (raised from 128)", broker.output())
        self.idle(broker, 500)
        self.works(broker)
        self.assertNotIn("broken off", broker.output())

    def test_a_limit_without_room_for_anyone(self):
        broker = self.own(
            processes.Broker(self.folder, within=("prlimit", "--nofile=64:64"))
        ).start(wait=False)
        self.assertEqual(broker.wait(), 1)
        self.assertIn("the limit on open files is 64", broker.output())
        self.assertIn("raise it to 1024 or more", broker.output())

    def test_an_honest_client_stays_connected_among_idle_ones(self):
        broker = self.broker("--connections-max=50")
        connection = self.connect(broker)
        worker = self.connect(broker)
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            self.idle(broker, 40)
            connection.info()
        (task,) = worker.lease(["q"])
        self.assertEqual(worker.complete(task).code, 0)
        self.assertEqual(connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)

    def allow_no_more(self, broker):
        """No descriptor more than it has now. Returns what takes that back."""
        before = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f"/proc/{broker.pid}/fd")}
        free = next(number for number in itertools.count() if number not in used)
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (free, before[1]))
        return lambda: resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, before)

    @processes.skip_if_sanitized
    def test_whoever_cannot_be_accepted_waits_for_a_descriptor(self):
        broker = self.broker("--store=memory")
        worker = self.connect(broker)
        waiting = worker.workers.Lease.future(
            api.workers.LeaseRequest(queues=["q"], wait_ms=600_000), timeout=600
        )
        worker.info()  # comes after it on the same connection
        allow = self.allow_no_more(broker)
        self.idle(broker, 20)
        processes.wait_until(
            lambda: "cannot accept a connection: Too many open files" in broker.output(),
            "the log to say so",
        )
        client = self.connect(broker)
        spec = api.task.TaskSpec(queue="q", type="a")
        submit = client.tasks.Submit.future(
            api.tasks.SubmitRequest(tasks=[spec]), timeout=600, wait_for_ready=True
        )
        # Whoever has a call open is served, and stays.
        self.assertFalse(waiting.done())
        self.assertTrue(broker.running())
        allow()
        self.assertEqual(submit.result().results[0].status.code, 0)
        (task,) = waiting.result().tasks
        self.assertEqual(worker.complete(task).code, 0)
        self.works(broker)

    def submit_much(self, connection, names, stop):
        """Until the store must begin another file, and cannot: `stop` says that of a call."""
        specs = [api.task.TaskSpec(queue="q", type="t", payload=os.urandom(100_000))] * 20
        for _ in range(300):
            call = connection.tasks.Submit.future(
                api.tasks.SubmitRequest(tasks=specs), timeout=600
            )
            if stop(call):
                return call
            names += [result.task_id for result in call.result().results]
        self.fail("the store needed no other file")

    @processes.skip_if_sanitized
    def test_a_store_that_wants_a_descriptor_gets_it_a_little_later(self):
        broker = self.broker()
        connection = self.connect(broker)
        names = connection.submit(api.task.TaskSpec(queue="q", type="t"))
        allow = self.allow_no_more(broker)

        def stop(call):
            try:
                call.result(timeout=2)
                return False
            except grpc.FutureTimeoutError:
                return True

        call = self.submit_much(connection, names, stop)
        allow()
        self.assertEqual(call.result().results[0].status.code, 0)
        self.assertTrue(broker.running())
        self.assertEqual(connection.info().unfinished_tasks, len(names) + 20)
        self.assertIn("no descriptor is left: the store waits", broker.output())

    @processes.skip_if_sanitized
    def test_a_store_that_gets_no_descriptor_says_what_it_wants(self):
        broker = self.broker()
        connection = self.connect(broker)
        names = connection.submit(api.task.TaskSpec(queue="q", type="t"))
        self.allow_no_more(broker)

        def stop(call):
            try:
                call.result()
                return False
            except grpc.RpcError:
                return True

        self.submit_much(connection, names, stop)
        self.assertEqual(broker.wait(), EXIT_STORE_FAILED, broker.tail())
        self.assertIn("no descriptor is left: raise the limit", broker.output())
        self.assertNotIn("device that failed", broker.output())
        broker.start()
        self.assertGreaterEqual(self.connect(broker).info().unfinished_tasks, len(names))


if __name__ == "__main__":
    unittest.main(verbosity=2)
