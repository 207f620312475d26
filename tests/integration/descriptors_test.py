#!/usr/bin/env python3
"""More connections than the process may have: the broker bounds them, says so, and goes on."""

import os
import socket
import time
import unittest

import api
import processes
from scenario import Scenario


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
