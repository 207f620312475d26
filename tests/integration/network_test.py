#!/usr/bin/env python3
"""Connections that break, fall silent, or are not read from."""

import threading
import time
import unittest

import grpc

import api
import processes
from proxy import Proxy
from scenario import Scenario
from session import Session

SUCCEEDED = api.task.TASK_STATE_SUCCEEDED
RUNNING = api.task.TASK_STATE_RUNNING


class Network(Scenario):
    def proxy(self, broker):
        proxy = Proxy(broker.address)
        self.addCleanup(proxy.close)
        return proxy

    def start_waiting_task(self, broker, proxy, connection):
        """A worker behind the proxy runs a task that ends when the file `go` is there."""
        self.worker(proxy.address, "--allow-exec=/bin/sh", name="far")
        on, go = self.folder / "on", self.folder / "go"
        text = f'echo x >> "{on}"; until [ -e "{go}" ]; do sleep 0.05; done; echo done'
        (name,) = connection.submit(api.exec_spec(["/bin/sh", "-c", text]))
        processes.wait_until(on.exists, "the task to run")
        return name, on, go

    def test_a_worker_behind_a_half_open_connection_comes_back_with_its_task(self):
        broker = self.broker("--lease-time=60s")
        proxy = self.proxy(broker)
        connection = self.connect(broker)
        name, on, go = self.start_waiting_task(broker, proxy, connection)
        before = connection.attached_workers()[0].peer
        proxy.freeze()
        # Both ends give up on the silent stream; the worker comes back over a new connection.
        processes.wait_until(
            lambda: [w for w in connection.attached_workers() if w.connected and w.peer != before],
            "the worker to come back",
        )
        self.assertEqual(connection.show(name).state, RUNNING)
        go.touch()
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertEqual(on.read_text(), "x\n")

    def test_a_worker_cut_off_for_less_than_its_lease_keeps_its_task(self):
        broker = self.broker("--lease-time=60s")
        proxy = self.proxy(broker)
        connection = self.connect(broker)
        name, on, go = self.start_waiting_task(broker, proxy, connection)
        proxy.cut()
        processes.wait_until(
            lambda: not any(w.connected for w in connection.attached_workers()),
            "the cut to be noticed",
        )
        go.touch()
        proxy.open()
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertEqual(on.read_text(), "x\n")

    def test_a_worker_cut_off_past_its_lease_loses_its_task(self):
        broker = self.broker("--lease-time=2s")
        proxy = self.proxy(broker)
        connection = self.connect(broker)
        name, on, go = self.start_waiting_task(broker, proxy, connection)
        proxy.cut()
        self.worker(broker.address, "--allow-exec=/bin/sh", name="near")
        processes.wait_until(lambda: len(on.read_text().split()) == 2, "the second run")
        go.touch()
        outcome = connection.outcome(name)
        self.assertEqual(outcome.state, SUCCEEDED)
        proxy.open()
        processes.wait_until(
            lambda: sum(w.connected for w in connection.attached_workers()) == 2,
            "the first to be back",
        )
        self.assertEqual(connection.outcome(name), outcome)

    def test_a_client_behind_a_half_open_connection_loses_and_doubles_nothing(self):
        broker = self.broker()
        proxy = self.proxy(broker)
        session = Session(self.connect(proxy.address))
        self.addCleanup(session.close)
        connection = self.connect(broker)
        spec = api.task.TaskSpec(queue="q", type="a")
        session.submit([spec] * 100)
        session.wait(lambda s: len(s.acknowledged) == 100, "a hundred accepted", 60)
        proxy.freeze()
        session.submit([spec] * 100)
        # The broker ends the stream that went silent; the client does not hear of it, so its own
        # connection is cut under it, as a client's own timer would.
        proxy.cut()
        proxy.open()
        session.wait(lambda s: len(s.acknowledged) == 200, "two hundred accepted", 60)
        leased = connection.lease(["q"], max_tasks=1000)
        self.assertEqual(len(leased), 200)
        for task in leased:
            connection.complete(task)
        session.wait(lambda s: len(s.outcomes) == 200, "two hundred outcomes", 60)

    def test_a_session_that_is_cut_off_is_resumed(self):
        broker = self.broker()
        proxy = self.proxy(broker)
        connection = self.connect(broker)
        session = Session(self.connect(proxy.address))
        self.addCleanup(session.close)
        session.wait(lambda s: s.session_id != 0, "a session", 60)
        before = session.session_id
        proxy.cut()
        session.submit([api.task.TaskSpec(queue="q", type="a")])
        proxy.open()
        session.wait(lambda s: len(s.acknowledged) == 1, "the submit to be accepted", 60)
        self.assertEqual((session.session_id, session.connects), (before, 2))
        self.assertEqual(len(connection.lease(["q"], max_tasks=10)), 1)

    def test_a_client_that_does_not_read_is_closed_and_its_outcomes_are_kept(self):
        broker = self.broker()
        connection = self.connect(broker)
        slow = self.connect(broker)
        hold = threading.Event()

        def requests():
            start = api.tasks.SessionOpen(client_name="slow")
            yield api.tasks.SessionRequest(open=start)
            opened.wait()
            for first in range(1, 121, 3):  # 120 MiB of results are more than is kept for a stream
                run = api.tasks.TaskRun(
                    first_sequence=first,
                    common=api.task.TaskSpec(queue="large", type="a"),
                    payload_sizes=[0, 0, 0],
                )
                yield api.tasks.SessionRequest(runs=[run])
            while not hold.wait(0.3):
                yield api.tasks.SessionRequest()

        opened = threading.Event()
        self.addCleanup(hold.set)
        stream = slow.tasks.Session(requests())
        first = next(stream)
        opened.set()  # from here on nothing is read
        result = bytes(1 << 20)
        ids = []
        while len(ids) < 120:
            for task in connection.lease(["large"], max_tasks=100):
                self.assertEqual(connection.complete(task, result=result).code, 0)
                ids.append(task.task_id)
        # Others are served as ever, and the broker's memory stays within its bounds.
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        (task,) = connection.lease(["q"])
        connection.complete(task)
        self.assertEqual(connection.outcome(name).state, SUCCEEDED)
        # The broker bears with a burst for ten seconds. The end cannot be seen before what came
        # ahead of it is read.
        time.sleep(20)
        with self.assertRaises(grpc.RpcError) as ended:
            for _ in stream:
                pass
        # The reason, or, where not even that could be written any more, the bare end.
        self.assertIn(
            ended.exception.code(),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED),
        )
        hold.set()

        # A session that reads gets them all by asking.
        reader = Session(self.connect(broker), name="reader")
        self.addCleanup(reader.close)
        reader.await_ids(ids)
        reader.wait(lambda s: len(s.outcomes) == 120, "all outcomes", processes.LIMIT_S)
        self.assertEqual({len(r) for o in reader.outcomes.values() for _, r, _ in o}, {1 << 20})
        self.assertGreater(first.opened.session_id, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
