#!/usr/bin/env python3
"""A real broker on a machine whose clock is set, while it runs and while it is down."""

import os
import struct
import time
import unittest

import api
import processes
from scenario import Scenario

SUCCEEDED = api.task.TASK_STATE_SUCCEEDED
RUNNING = api.task.TASK_STATE_RUNNING
TRUE = ["/bin/true"]
YEAR_S = 365 * 86_400


class Clock(Scenario):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "set-by"
        self.file.write_bytes(bytes(8))
        self.set_by_ms = 0

    def broker_with_clock(self):
        env = {
            "LD_PRELOAD": os.environ["TREADLE_SET_CLOCK_LIBRARY"],
            "TREADLE_SET_CLOCK": str(self.file),
            # A sanitizer's library would have to come first; nothing of it is set aside by this.
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
        }
        return self.broker(env=env)

    def set_clock(self, seconds):
        # In place: the broker has the file mapped.
        with open(self.file, "r+b") as file:
            file.write(struct.pack("<q", seconds))
        self.set_by_ms = seconds * 1_000

    def now_ms(self):
        """As the broker's machine has it."""
        return int(time.time() * 1_000) + self.set_by_ms

    def test_a_run_at_time_follows_the_clock_and_the_log_says_so(self):
        broker = self.broker_with_clock()
        self.worker(broker.address, "--allow-exec=/bin/true")
        connection = self.connect(broker)
        for hours in (-2, 2):
            self.set_clock(hours * 3_600)
            processes.wait_until(
                lambda: abs(connection.info().now_ms - self.now_ms()) < 10_000,
                "the broker to see it",
            )
            run_at_ms = self.now_ms() + 1_000
            (name,) = connection.submit(api.exec_spec(TRUE, run_at_ms=run_at_ms))
            outcome = connection.outcome(name)
            self.assertEqual(outcome.state, SUCCEEDED)
            self.assertGreaterEqual(outcome.finished_at_ms, run_at_ms)
        self.assertIn("the clock was set back by 2h", broker.output())
        self.assertIn("the clock was set forward by 4h", broker.output())

    def test_a_start_in_1970_delays_nothing_and_forgets_nothing(self):
        broker = self.broker_with_clock()
        self.worker(broker.address, "--allow-exec=/bin/true")
        connection = self.connect(broker)
        keyed = api.exec_spec(TRUE, request_key="once")
        (first,) = connection.submit(keyed)
        connection.outcome(first)
        (delayed,) = connection.submit(api.exec_spec(TRUE, delay_ms=2_000))
        broker.kill()
        self.set_clock(-56 * YEAR_S)
        broker.start()
        self.assertEqual(connection.submit(keyed), [first])
        self.set_clock(0)  # the network's time comes
        self.assertEqual(connection.outcome(delayed).state, SUCCEEDED)
        self.assertEqual(connection.submit(keyed), [first])
        self.assertEqual(connection.show(first).state, SUCCEEDED)
        (later,) = connection.submit(
            api.exec_spec(TRUE, run_at_ms=int(time.time() * 1_000) + 3_600_000)
        )
        self.assertEqual(connection.show(later).state, api.task.TASK_STATE_SCHEDULED)
        self.assertIn("the clock was set", broker.output())

    def test_a_store_of_1970_keeps_what_it_has_when_the_time_is_right(self):
        self.set_clock(-56 * YEAR_S)
        broker = self.broker_with_clock()
        connection = self.connect(broker)
        keyed = api.task.TaskSpec(queue="q", type="t", request_key="once")
        (first,) = connection.submit(keyed)
        (leased,) = connection.lease(["q"], lease_ms=60_000)
        broker.kill()
        self.set_clock(0)
        broker.start()
        self.assertEqual(connection.show(first).state, RUNNING)
        self.assertEqual(connection.complete(leased).code, 0)
        self.assertEqual(connection.outcome(first).state, SUCCEEDED)
        self.assertEqual(connection.submit(keyed), [first])

    def test_an_extended_lease_is_extended_after_a_restart_too(self):
        broker = self.broker()
        connection = self.connect(broker)
        names = connection.submit(*[api.task.TaskSpec(queue="q", type="t", max_attempts=1)] * 2)
        leased = connection.lease(["q"], lease_ms=1_000, max_tasks=2)
        extensions = [
            api.workers.LeaseExtension(token=one.token, lease_ms=600_000)
            for one in leased
        ]
        for result in api.patiently(
            connection.workers.Extend, api.workers.ExtendRequest(leases=extensions)
        ).results:
            self.assertEqual((result.status.code, result.lease_ms), (0, 600_000))
        for end in (broker.kill, broker.terminate):
            end()
            broker.start()
            # A task that is leased for a second after it, and lost, shows that a second has passed.
            connection.submit(api.task.TaskSpec(queue="other", type="t", max_attempts=1))
            (other,) = connection.lease(["other"], lease_ms=1_000)
            connection.outcome(other.task_id)
            for name in names:
                self.assertEqual(connection.show(name).state, RUNNING)
        for one in leased:
            self.assertEqual(connection.complete(one).code, 0)


if __name__ == "__main__":
    unittest.main()
