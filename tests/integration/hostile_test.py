#!/usr/bin/env python3
"""Peers that mean harm, or do not care, all at once: the others are served, and memory is bounded.

hostile_test.py figures: for a minute, and prints what an honest client and the broker's memory saw.
"""

import pathlib
import sys
import time
import unittest

import grpc

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
    "--calls-max=20000",
)
# Of the deaf peers: outcomes that the memory store keeps.
OUTCOMES = (hostile_peer.OUTCOMES + 1) * hostile_peer.OUTCOME_BYTES
# What the flags above add up to, without calls (what comes in is held twice at most: in gRPC, and
# until it is stored), and the outcomes.
FLAGS_SAY = (2 * 256 + 256 + 32 + 64) * MIB + OUTCOMES
# Of what is free again: what the allocator and gRPC keep, some 5 % of the most that there was.
STAYS = 200 * MIB
# Calls of which nothing but the headers comes: gRPC takes them in faster than they are ended, how
# much faster is the machine's affair, up to what a connection may have. From 1.2 to 3.8 GiB were
# seen: a connection that was broken off may be back before all of its calls have ended.
BARE_CALLS_MAX = hostile_peer.BARE_CONNECTIONS * 2_100 * (30 << 10)
# What is begun without end keeps two processors busy: honest calls may be refused meanwhile.
SERVED_WITHIN_S = 300
# How much slower half of an honest client's round trips may be than on the same machine without the
# peers, which take processor time like any other load; and what chance may add to a few calls.
SLOWER, CHANCE_S = 20, 0.5
# So many tell it.
ROUND_TRIPS_MIN = 100


def percentile(took, percent):
    return sorted(took)[len(took) * percent // 100]


def words(took):
    return (
        f"{len(took)} lone round trips of four calls: p50 {percentile(took, 50) * 1e3:.1f} ms,"
        f" p99 {percentile(took, 99) * 1e3:.1f} ms, longest {max(took) * 1e3:.1f} ms"
    )


class Refused(Exception):
    """For now: it may be tried again."""


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

    def round_trip(self, connection):
        """One task from its submit to its outcome, in seconds.

        Where the broker refuses, another one, until one gets through: so does a client that means
        well.
        """
        begin = time.monotonic()
        while True:
            try:
                self.task_to_its_end(connection)
                return time.monotonic() - begin
            except (grpc.RpcError, Refused):
                if time.monotonic() > begin + SERVED_WITHIN_S:
                    raise
                time.sleep(0.02)

    def task_to_its_end(self, connection):
        (name,) = connection.submit(api.task.TaskSpec(queue="honest", type="a"))
        done = None
        while done != name:  # one that was refused before may still be there
            leased = connection.lease(["honest"])
            if not leased or connection.complete(leased[0]).code != 0:
                raise Refused("there was nothing to lease, or its lease was lost")
            done = leased[0].task_id
        self.assertEqual(connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)

    def round_trips(self, connection, seconds):
        """What each took, and the most memory that the broker had meanwhile.

        Goes on beyond `seconds` until there are enough of them.
        """
        took, most = [], 0
        begin = time.monotonic()
        while time.monotonic() < begin + seconds or len(took) < ROUND_TRIPS_MIN:
            self.assertLess(time.monotonic(), begin + SERVED_WITHIN_S, "few round trips succeed")
            took.append(self.round_trip(connection))
            most = max(most, self.memory())
        return took, most

    def until_memory_is_below(self, bytes_max):
        if processes.SANITIZED:
            return
        try:
            processes.wait_until(lambda: self.memory() < bytes_max, "memory to come back")
        except AssertionError as error:
            has, may = self.memory() // MIB, bytes_max // MIB
            raise AssertionError(f"{error}: it is {has} MiB, and may be {may}") from None

    def test_calls_without_messages(self):
        honest = self.connect(self.server)
        self.round_trip(honest)
        peer = self.peer("bare-calls")
        most = 0
        end = time.monotonic() + 15
        while time.monotonic() < end:
            most = max(most, self.memory())
            time.sleep(0.1)
        print(f"memory at most {most / MIB:.0f} MiB", file=sys.stderr)
        if not processes.SANITIZED:
            self.assertLess(most, BARE_CALLS_MAX)
            self.round_trip(honest)
        peer.kill()
        self.round_trip(honest)
        self.until_memory_is_below(BARE_CALLS_MAX // 4)

    def test_garbage_leaves_nothing(self):
        honest = self.connect(self.server)
        self.round_trips(honest, 1)
        before = self.memory()
        peer = self.peer("garbage")
        self.round_trips(honest, 5)
        peer.kill()
        self.until_memory_is_below(before + STAYS)
        self.round_trip(honest)

    def test_all_at_once(self):
        seconds = 60 if "figures" in sys.argv else 15
        honest = self.connect(self.server)
        self.round_trip(honest)
        before = self.memory()
        quiet, _ = self.round_trips(honest, seconds / 3)
        peers = {kind: self.peer(kind) for kind in hostile_peer.KINDS if kind != "bare-calls"}
        self.assertIn("--queues-max", peers["makes-queues"].output())
        took, most = self.round_trips(honest, seconds)
        # A new client's first submit to a new queue.
        newcomer = self.connect(self.server)
        newcomer.submit(api.task.TaskSpec(queue="new", type="a"))
        for peer in peers.values():
            peer.kill()
        self.until_memory_is_below(before + OUTCOMES + STAYS)
        # The machine may have become slower meanwhile.
        again, _ = self.round_trips(newcomer, seconds / 3)
        self.assertTrue(self.server.running())
        figures = (
            f"quiet: {words(quiet)}\nafterwards: {words(again)}\namong them: {words(took)}\n"
            f"memory: {before / MIB:.0f} MiB before, {most / MIB:.0f} at most, "
            f"{self.memory() / MIB:.0f} after; the flags without calls, and what is kept, say "
            f"{FLAGS_SAY / MIB:.0f}"
        )
        if "figures" in sys.argv:
            print(figures, file=sys.stderr)
        # With a sanitizer times and memory are no figures: all were served, and nothing went wrong.
        if processes.SANITIZED:
            return
        alone = max(percentile(quiet, 50), percentile(again, 50))
        self.assertLess(percentile(took, 50), SLOWER * alone + CHANCE_S, figures)
        self.assertLess(most, FLAGS_SAY + BARE_CALLS_MAX, figures)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
