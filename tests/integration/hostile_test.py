#!/usr/bin/env python3
"""Peers that mean harm, or do not care, all at once: the others are served, and memory is bounded.

By hand, for a minute: hostile_test.py figures.
"""

import pathlib
import sys
import time
import unittest

import api
import hostile_peer
import processes
from scenario import Scenario

MIB = 1 << 20
FLAGS = (
    "--store=memory",
    "--incoming-max=256MiB",
    "--outgoing-max=256MiB",
    "--worker-names-max=32MiB",
    "--payload-cache=64MiB",
    "--queues-max=1000",
)
# What the flags above add up to (what comes in is held twice at most: in gRPC, and until it is
# stored), 100 outcomes of 3900 KiB that the memory store keeps, and what the process itself, its
# connections, and the peers' 50,000 calls of which nothing but the headers comes take in gRPC.
MEMORY_MAX = (2 * 256 + 256 + 32 + 64 + 400 + 1000) * MIB
# Of one round trip, however slow the machine is.
LONGEST_S = 45


class Hostile(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker(*FLAGS)

    def memory(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def peer(self, kind):
        script = processes.Script(
            self.folder, kind, "hostile_peer.py", self.server.address, kind
        )
        peer = self.own(script).start()
        processes.wait_until(
            lambda: "ready" in peer.output() or not peer.running(), f"{kind} to begin"
        )
        self.assertTrue(peer.running(), peer.tail())
        return peer

    def round_trip(self, connection, number):
        """One task from its submit to its outcome, in seconds."""
        begin = time.monotonic()
        (name,) = connection.submit(api.task.TaskSpec(queue="honest", type="a"))
        (task,) = connection.lease(["honest"])
        self.assertEqual(task.task_id, name, f"round trip {number}")
        self.assertEqual(connection.complete(task).code, 0)
        self.assertEqual(connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)
        return time.monotonic() - begin

    def test_all_at_once(self):
        honest = self.connect(self.server)
        self.round_trip(honest, 0)
        peers = {kind: self.peer(kind) for kind in hostile_peer.KINDS}
        self.assertIn("--queues-max", peers["makes-queues"].output())
        took, most = [], 0
        end = time.monotonic() + (60 if "figures" in sys.argv else 15)
        while time.monotonic() < end:
            took.append(self.round_trip(honest, len(took)))
            most = max(most, self.memory())
        took.sort()
        figures = (
            f"{len(took)} lone round trips of four calls: p50 {took[len(took) // 2] * 1e3:.1f} ms,"
            f" p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms, longest {took[-1] * 1e3:.1f} ms;"
            f" memory at most {most / MIB:.0f} MiB"
        )
        print(figures, file=sys.stderr)
        self.assertLess(took[len(took) // 2], 5, figures)
        self.assertLess(took[-1], LONGEST_S, figures)
        self.assertLess(most, MEMORY_MAX, figures)
        # A new client's first submit to a new queue.
        newcomer = self.connect(self.server)
        newcomer.submit(api.task.TaskSpec(queue="new", type="a"))
        for peer in peers.values():
            peer.kill()
        processes.wait_until(lambda: self.memory() < most / 2 + 500 * MIB, "memory to come back")
        self.round_trip(newcomer, -1)
        self.assertTrue(self.server.running())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
