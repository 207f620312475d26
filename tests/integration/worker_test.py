#!/usr/bin/env python3
"""The stock treadle-worker: programs, cancels, drains, crashes and stops."""

import os
import pathlib
import shutil
import subprocess
import unittest

import api
import processes
from scenario import Scenario

QUEUED = api.task.TASK_STATE_QUEUED
SUCCEEDED = api.task.TASK_STATE_SUCCEEDED
FAILED = api.task.TASK_STATE_FAILED
CANCELLED = api.task.TASK_STATE_CANCELLED
EXPIRED = api.task.TASK_STATE_EXPIRED
LEASE = "--lease-time=2s"
SHELL = "--allow-exec=/bin/sh"
IN_PROCESSES = ["--run-in=exec=process", "--processes=1"]


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def children(pid):
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if parent(folder.name) == pid:
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has just ended
    return found


class Worker(Scenario):
    def shell(self, text, **fields):
        return api.exec_spec(["/bin/sh", "-c", text], **fields)

    def until_file(self, name):
        path = self.folder / name
        processes.wait_until(path.exists, f"the task to write {name}")
        # Shells create the file before they write into it.
        return processes.wait_until(lambda: path.read_text().strip(), f"text in {name}")

    def test_a_program_gets_the_payload_and_its_output_is_the_result(self):
        broker = self.broker()
        self.worker(broker.address, "--allow-exec=/usr/bin/wc", "--concurrency=2")
        connection = self.connect(broker)
        (name,) = connection.submit(
            api.exec_spec(["/usr/bin/wc", "-w"], payload=b"over under over under\n")
        )
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.result), (SUCCEEDED, b"4\n"))

    def test_a_failing_program_tells_status_and_stderr(self):
        broker = self.broker()
        self.worker(broker.address, SHELL)
        connection = self.connect(broker)
        (name,) = connection.submit(self.shell("echo torn thread >&2; exit 3", max_attempts=1))
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.error.type), (FAILED, "ExitStatus"))
        self.assertIn("3", outcome.error.message)
        self.assertIn("torn thread", outcome.error.message)

    def test_a_task_goes_to_the_worker_that_allows_its_program(self):
        """Two workers of one queue, as in a rolling change of --allow-exec."""
        broker = self.broker()
        self.worker(broker.address, "--allow-exec=/bin/echo", name="old")
        connection = self.connect(broker)
        touch = [
            api.exec_spec(["/usr/bin/touch", str(self.folder / f"made-{i}")], max_attempts=1)
            for i in range(8)
        ]
        waiting = connection.submit(*touch)
        (other,) = connection.submit(api.exec_spec(["/bin/echo", "here"]))
        self.assertEqual(connection.outcome(other).result, b"here\n")
        for name in waiting:
            self.assertEqual(connection.show(name).state, QUEUED)
        self.worker(broker.address, SHELL, "--allow-exec=/usr/bin/touch", name="new")
        for name in waiting:
            outcome = connection.outcome(name)
            self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertTrue((self.folder / "made-7").exists())

    def test_a_cancel_kills_the_whole_process_group(self):
        broker = self.broker()
        self.worker(broker.address, SHELL)
        connection = self.connect(broker)
        child = self.folder / "child"
        (name,) = connection.submit(self.shell(f'sleep 600 & echo $! > "{child}"; wait'))
        pid = int(self.until_file("child"))
        shown = connection.tasks.CancelTask(
            api.tasks.CancelTaskRequest(task_id=name), timeout=60
        ).task
        self.assertTrue(shown.cancel_requested or shown.state == CANCELLED)
        self.assertEqual(connection.outcome(name).state, CANCELLED)
        processes.wait_until(lambda: not processes.alive(pid), "the program's child to be killed")

    def test_an_attempt_timeout_stops_the_program_and_costs_an_attempt(self):
        broker = self.broker()
        self.worker(broker.address, SHELL)
        connection = self.connect(broker)
        (name,) = connection.submit(
            self.shell(
                f'echo $$ > "{self.folder}/pid"; sleep 600', attempt_timeout_ms=500, max_attempts=1
            )
        )
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.error.type), (FAILED, "AttemptTimeout"))
        self.assert_killed()

    def test_a_deadline_ends_a_running_task(self):
        broker = self.broker()
        self.worker(broker.address, SHELL)
        connection = self.connect(broker)
        running, waiting = connection.submit(
            self.shell(f'echo $$ > "{self.folder}/pid"; sleep 600', deadline_in_ms=1500),
            self.shell("true", queue="nobody", deadline_in_ms=500),
        )
        self.assertEqual(connection.outcome(running).state, EXPIRED)
        self.assertEqual(connection.outcome(waiting).state, EXPIRED)
        self.assert_killed()

    def test_sigterm_finishes_what_runs_and_hands_back_the_rest(self):
        broker = self.broker()
        first = self.worker(
            broker.address, SHELL, "--concurrency=1", "--drain-timeout=60s", name="first"
        )
        connection = self.connect(broker)
        go = self.folder / "go"
        running, *others = connection.submit(
            self.shell(f'echo x > "{self.folder}/on"; until [ -e "{go}" ]; do sleep 0.05; done'),
            *[self.shell("true", max_attempts=1)] * 20,
        )
        self.until_file("on")
        first.signal(15)
        second = self.worker(broker.address, SHELL, name="second")
        for name in others:  # what the first had fetched ahead is not lost in it
            outcome = connection.outcome(name)
            self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertTrue(first.running(), "it finishes what runs")
        go.touch()
        outcome = connection.outcome(running)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
        self.assertEqual(first.wait(), 0, first.tail())
        self.assertTrue(second.running())

    def test_a_drain_that_takes_too_long_costs_no_attempt(self):
        broker = self.broker()
        first = self.worker(broker.address, SHELL, "--drain-timeout=500ms", name="first")
        connection = self.connect(broker)
        go, on = self.folder / "go", self.folder / "on"
        (name,) = connection.submit(
            self.shell(f'echo x >> "{on}"; until [ -e "{go}" ]; do sleep 0.05; done',
                       max_attempts=1)
        )
        self.until_file("on")
        first.signal(15)
        self.assertEqual(first.wait(), 0, first.tail())
        self.worker(broker.address, SHELL, name="second")
        processes.wait_until(lambda: len(on.read_text().split()) == 2, "the second run")
        go.touch()
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))

    def test_a_killed_worker_is_blamed_for_what_was_executing_only(self):
        broker = self.broker(LEASE)
        first = self.worker(broker.address, SHELL, "--concurrency=1", name="first")
        connection = self.connect(broker)
        on, go = self.folder / "on", self.folder / "go"
        text = f'echo x >> "{on}"; until [ -e "{go}" ]; do sleep 0.05; done'
        running, waiting = connection.submit(self.shell(text), self.shell(text))
        self.until_file("on")
        # The start is told in batches; a heartbeat later it has been.
        seen = connection.show(running).worker
        self.assertEqual(seen, "first")
        self.await_running(connection, 1)
        first.kill()
        self.worker(broker.address, SHELL, "--concurrency=2", name="second")
        go.touch()
        outcome = connection.outcome(running)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 2))
        outcome = connection.outcome(waiting)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))

    def test_a_stopped_worker_comes_back_too_late(self):
        """SIGSTOP past the lease: another worker has the task, and the late report is refused."""
        broker = self.broker(LEASE)
        first = self.worker(broker.address, SHELL, name="first")
        connection = self.connect(broker)
        on, go = self.folder / "on", self.folder / "go"
        # Says which run it was: the first waits for the file, the second ends at once.
        (name,) = connection.submit(
            self.shell(
                f'echo x >> "{on}"; n=$(wc -l < "{on}"); '
                f'[ $n = 2 ] || until [ -e "{go}" ]; do sleep 0.05; done; echo run $n'
            )
        )
        self.until_file("on")
        self.await_running(connection, 1)
        first.pause()
        self.worker(broker.address, SHELL, name="second")
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.result), (SUCCEEDED, b"run 2\n"))
        go.touch()
        first.resume()
        # It is back, has been told that its lease is gone, and works on.
        (later,) = connection.submit(self.shell("echo again", queue="first-only"))
        self.assertEqual(connection.outcome(name), outcome)
        self.own(processes.Worker(self.folder, broker.address, SHELL, name="third",
                                  queues=["first-only"])).start()
        self.assertEqual(connection.outcome(later).result, b"again\n")
        self.assertEqual(connection.outcome(name), outcome)
        self.assertTrue(first.running(), first.tail())

    def test_a_late_report_of_a_unary_lease_is_refused(self):
        broker = self.broker()
        connection = self.connect(broker)
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        (first,) = connection.lease(["q"], lease_ms=1000)
        (second,) = connection.lease(["q"], lease_ms=60_000)  # waits until the first is over
        self.assertEqual(second.task_id, name)
        self.assertGreater(second.token, first.token)
        status = connection.complete(first, result=b"late")
        self.assertEqual(status.code, 10, "ABORTED")
        self.assertEqual(connection.complete(second, result=b"in time").code, 0)
        self.assertEqual(connection.outcome(name).result, b"in time")

    def test_programs_end_with_their_worker(self):
        """Whatever ends it, and wherever they run: with all that they have started."""
        broker = self.broker()
        connection = self.connect(broker)
        ends = {"killed": [9], "impatient": [15, 2]}
        for where in ([], IN_PROCESSES):
            for how, signals in ends.items():
                case = how + "-process" * bool(where)
                with self.subTest(case):
                    worker = self.worker(
                        broker.address, SHELL, *where, name=case, queues=[case]
                    )
                    program, child = self.start_program(connection, case)
                    for number in signals:
                        worker.signal(number)
                    worker.wait()
                    self.until_gone(program, child)

    def test_a_program_ends_with_the_pool_child_that_runs_it(self):
        broker = self.broker()
        worker = self.worker(broker.address, SHELL, *IN_PROCESSES)
        connection = self.connect(broker)
        program, child = self.start_program(connection, "default")
        pool_child = parent(program)
        self.assertEqual(parent(pool_child), worker.pid)
        os.kill(pool_child, 9)
        self.until_gone(program, child)
        self.assertTrue(worker.running(), worker.tail())

    def test_a_program_in_a_process_that_ignores_sigterm_is_killed(self):
        broker = self.broker()
        self.worker(broker.address, SHELL, *IN_PROCESSES)
        connection = self.connect(broker)
        (name,) = connection.submit(
            self.shell(
                f"trap '' TERM; echo $$ > \"{self.folder}/pid\"; while :; do sleep 0.1; done",
                attempt_timeout_ms=500,
                max_attempts=1,
            )
        )
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.error.type), (FAILED, "AttemptTimeout"))
        self.assert_killed()

    def test_children_depend_on_no_config_and_no_program_that_has_changed(self):
        broker = self.broker()
        config, other = self.folder / "worker.conf", self.folder / "other"
        shutil.copy("/bin/true", other)
        config.write_text(f"allow-exec = /bin/sh\nallow-exec = {other}\n")
        worker = self.worker(broker.address, f"--config={config}", *IN_PROCESSES)
        connection = self.connect(broker)
        program, child = self.start_program(connection, "default", max_attempts=1)
        config.write_text("nonsense\n")
        other.unlink()
        os.kill(parent(program), 9)
        self.until_gone(program, child)
        (name,) = connection.submit(self.shell("echo in a new child", max_attempts=1))
        self.assertEqual(connection.outcome(name).result, b"in a new child\n")
        self.assertNotIn("trying again", worker.output())

    def test_a_closed_terminal_drains(self):
        broker = self.broker()
        worker = self.worker(broker.address, SHELL)
        connection = self.connect(broker)
        go = self.folder / "go"
        (name,) = connection.submit(
            self.shell(f'echo x > "{self.folder}/on"; until [ -e "{go}" ]; do sleep 0.05; done')
        )
        self.until_file("on")
        worker.signal(1)
        worker.signal(1)  # terminals send several
        processes.wait_until(lambda: "draining" in worker.output(), "the drain")
        go.touch()
        self.assertEqual(worker.wait(), 0, worker.tail())
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))

    def test_a_worker_in_the_place_of_init_reaps_what_it_is_left_with(self):
        alone = ["unshare", "--pid", "--kill-child", "--mount-proc"]
        if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
            self.skipTest("no right to make a PID namespace")
        broker = self.broker()
        first = processes.Worker(self.folder, broker.address, SHELL)
        first.command = alone + first.command
        self.own(first).start()
        connection = self.connect(broker)
        names = connection.submit(*[self.shell("(setsid sleep 0.2 &); echo started")] * 10)
        for name in names:
            self.assertEqual(connection.outcome(name).result, b"started\n")
        (init,) = children(first.pid)
        # The guard is its child, too.
        processes.wait_until(lambda: len(children(init)) == 1, "the others to be reaped")

    def test_few_descriptors_are_said_and_enough_for_fewer_tasks(self):
        broker = self.broker()
        connection = self.connect(broker)
        for case, where in (("threads", []), ("processes", ["--run-in=exec=process"])):
            with self.subTest(case):
                flags = [SHELL, *where, "--concurrency=100", "--processes=100"]
                worker = self.limited(64, broker.address, *flags, name=case, queues=[case])
                names = connection.submit(*[self.shell("echo ran", queue=case)] * 30)
                for name in names:
                    outcome = connection.outcome(name)
                    self.assertEqual((outcome.result, outcome.attempts), (b"ran\n", 1))
                self.assertIn("may have 64 descriptors, and needs", worker.output())
                self.assertTrue(worker.running(), worker.tail())

    def test_too_few_descriptors_are_said_at_once(self):
        worker = self.limited(20, "127.0.0.1:1", SHELL)
        self.assertEqual(worker.wait(), 1)
        self.assertIn("may have 20 descriptors, and needs 32", worker.output())

    @processes.skip_if_sanitized
    def test_descriptors_that_are_used_up_cost_no_attempt(self):
        broker = self.broker()
        worker = self.limited("64:256", broker.address, SHELL, "--concurrency=4")
        connection = self.connect(broker)
        processes.wait_until(lambda: "attached" in worker.output(), "the worker to attach")
        subprocess.run(["prlimit", f"--pid={worker.pid}", "--nofile=3:256"], check=True)
        names = connection.submit(*[self.shell("echo ran", max_attempts=1)] * 8)
        processes.wait_until(lambda: "handed back" in worker.output(), "a task to be handed back")
        subprocess.run(["prlimit", f"--pid={worker.pid}", "--nofile=256:256"], check=True)
        for name in names:
            outcome = connection.outcome(name)
            self.assertEqual((outcome.result, outcome.attempts), (b"ran\n", 1))

    def limited(self, descriptors, address, *flags, **options):
        """A worker that may have so many open files."""
        worker = processes.Worker(self.folder, address, *flags, **options)
        worker.command = ["prlimit", f"--nofile={descriptors}"] + worker.command
        return self.own(worker).start()

    def start_program(self, connection, queue, **fields):
        """A program that has started another: both their process ids."""
        files = [self.folder / f"{queue}-{name}" for name in ("program", "child")]
        connection.submit(
            self.shell(
                f'sleep 600 & echo $! > "{files[1]}"; echo $$ > "{files[0]}"; wait',
                queue=queue,
                **fields,
            )
        )
        return [int(self.until_file(file.name)) for file in files]

    def until_gone(self, *pids):
        for pid in pids:
            processes.wait_until(lambda pid=pid: not processes.alive(pid), f"process {pid} to end")

    def assert_killed(self):
        """The program that wrote its process id is not there any more."""
        written = self.folder / "pid"
        text = written.read_text().strip() if written.exists() else ""
        if text:  # a slow machine may have stopped it before it got to that
            processes.wait_until(lambda: not processes.alive(int(text)), "the program to be killed")

    def await_running(self, connection, count):
        """Until the broker has been told that so many attempts are executing."""

        def told():
            workers = connection.attached_workers()
            return sum(pool.running for worker in workers for pool in worker.pools) == count

        processes.wait_until(told, f"{count} attempts to be told as executing")


if __name__ == "__main__":
    unittest.main(verbosity=2)
