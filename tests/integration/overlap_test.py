#!/usr/bin/env python3
"""Of one task's program there is one copy at a time, whatever ends its attempts."""

import signal
import unittest

import api
import processes
from scenario import Scenario

SHELL = "--allow-exec=/bin/sh"
IN_PROCESSES = ["--run-in=exec=process", "--processes=1"]
FAILED = api.task.TASK_STATE_FAILED
SUCCEEDED = api.task.TASK_STATE_SUCCEEDED
RUNNING = api.task.TASK_STATE_RUNNING
LEASE_S = 15


class Overlap(Scenario):
    def program(self, tag, **fields):
        """Runs till the file "go" appears, SIGTERM or not.

        It and each of its children hold a lock, which is free when the last of them is dead.
        """
        at = self.folder / tag
        text = f"""
            exec 9>> '{at}.lock'
            flock -n 9 || echo $TREADLE_ATTEMPT >> '{at}.overlaps'
            trap '' TERM
            sleep 1000 &
            echo $$ $! >> '{at}.pids'
            echo $TREADLE_ATTEMPT >> '{at}.begun'
            until [ -e '{self.folder}/go' ]; do sleep 0.05; done
            kill -9 $!
        """
        return api.exec_spec(["/bin/sh", "-c", text], **fields)

    def words(self, tag, what):
        path = self.folder / f"{tag}.{what}"
        return path.read_text().split() if path.exists() else []

    def until_begun(self, tag, *attempts):
        processes.wait_until(
            lambda: self.words(tag, "begun") == list(attempts), f"{tag}: attempts {attempts}"
        )

    def test_an_attempt_begins_when_the_one_that_timed_out_is_dead(self):
        for tag, flags in (("threads", []), ("processes", IN_PROCESSES)):
            with self.subTest(run_in=tag):
                broker = self.broker(name=f"broker-{tag}")
                self.worker(broker.address, SHELL, "--concurrency=2", *flags, name=tag)
                connection = self.connect(broker)
                spec = self.program(tag, attempt_timeout_ms=1000, max_attempts=3)
                spec.retry.initial_delay_ms = 1
                (name,) = connection.submit(spec)
                outcome = connection.outcome(name)
                self.assertEqual((outcome.state, outcome.error.type), (FAILED, "AttemptTimeout"))
                self.assertEqual(self.words(tag, "begun"), ["1", "2", "3"])
                self.assertEqual(self.words(tag, "overlaps"), [])

    def test_a_killed_workers_program_is_dead_before_its_lease_is_over(self):
        """And before another worker, which is waiting for it, begins it anew."""
        for tag, flags in (("threads", []), ("processes", IN_PROCESSES)):
            with self.subTest(run_in=tag):
                broker = self.broker(f"--lease-time={LEASE_S}s", name=f"broker-{tag}")
                first = self.worker(broker.address, SHELL, *flags, name=f"{tag}-first")
                connection = self.connect(broker)
                (name,) = connection.submit(self.program(tag, max_attempts=3))
                self.until_begun(tag, "1")
                self.worker(broker.address, SHELL, *flags, name=f"{tag}-second")
                processes.wait_until(lambda: len(connection.attached_workers()) == 2, "two workers")
                first.signal(signal.SIGKILL)
                pids = [int(pid) for pid in self.words(tag, "pids")]
                processes.wait_until(
                    lambda: not any(processes.alive(pid) for pid in pids), "the program to die"
                )
                shown = connection.show(name)
                self.assertEqual((shown.state, shown.worker), (RUNNING, f"{tag}-first"))
                self.until_begun(tag, "1", "2")
                self.assertEqual(connection.show(name).worker, f"{tag}-second")
                (self.folder / "go").touch()
                outcome = connection.outcome(name)
                self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 2))
                self.assertEqual(self.words(tag, "overlaps"), [])
                (self.folder / "go").unlink()


if __name__ == "__main__":
    unittest.main(verbosity=2)
