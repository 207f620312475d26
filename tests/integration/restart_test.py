#!/usr/bin/env python3
"""What a broker that is killed and started again still knows."""

import unittest

import api
import processes
from scenario import Scenario
from session import Session

SUCCEEDED = api.task.TASK_STATE_SUCCEEDED


class Restart(Scenario):
    def test_a_running_task_is_not_run_again(self):
        """Promise 5: its worker lives, so it goes on, and its result counts."""
        broker = self.broker()
        runs, go = self.folder / "runs", self.folder / "go"
        script = self.folder / "task.sh"
        script.write_text(
            f'echo run >> "{runs}"\nuntil [ -e "{go}" ]; do sleep 0.05; done\necho done\n'
        )
        worker = self.worker(broker.address, "--allow-exec=/bin/sh", "--concurrency=2")
        connection = self.connect(broker)
        ids = connection.submit(*[api.exec_spec(["/bin/sh", str(script)])] * 2)
        processes.wait_until(lambda: self.lines(runs) == 2, "both tasks to run")
        for _ in range(2):
            broker.restart()
            # The worker is back, and so are its leases.
            self.await_attached(connection)
        for name in ids:
            self.assertEqual(connection.show(name).state, api.task.TASK_STATE_RUNNING)
        go.touch()
        for name in ids:
            outcome = connection.outcome(name)
            self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))
            self.assertEqual(outcome.result, b"done\n")
        self.assertEqual(self.lines(runs), 2)
        self.assertTrue(worker.running())

    def test_what_ended_while_the_broker_was_down_is_reported_when_it_is_back(self):
        broker = self.broker()
        begun, ended = self.folder / "begun", self.folder / "ended"
        go = self.folder / "go"
        script = self.folder / "task.sh"
        script.write_text(
            f'touch "{begun}"\nuntil [ -e "{go}" ]; do sleep 0.05; done\ntouch "{ended}"\n'
        )
        self.worker(broker.address, "--allow-exec=/bin/sh")
        connection = self.connect(broker)
        (name,) = connection.submit(api.exec_spec(["/bin/sh", str(script)]))
        processes.wait_until(begun.exists, "the task to run")
        broker.kill()
        go.touch()
        processes.wait_until(ended.exists, "the task to end")
        broker.start()
        outcome = connection.outcome(name)
        self.assertEqual((outcome.state, outcome.attempts), (SUCCEEDED, 1))

    def test_queues_tasks_results_and_keys_are_kept(self):
        broker = self.broker()
        connection = self.connect(broker)
        connection.create_queue(
            name="kept", discipline=api.queue.DISCIPLINE_PRIORITY, max_tasks=7
        )
        done, waiting, later = connection.submit(
            api.task.TaskSpec(queue="kept", type="a", payload=b"one", priority=2),
            api.task.TaskSpec(queue="kept", type="a", priority=1, request_key="once"),
            api.task.TaskSpec(queue="kept", type="a", delay_ms=3_600_000),
        )
        (leased,) = connection.lease(["kept"])
        self.assertEqual(connection.complete(leased, result=leased.payload * 2).code, 0)
        broker.restart()

        request = api.queue.GetQueueRequest(name="kept")
        queue = api.patiently(connection.queues.GetQueue, request).queue
        self.assertEqual(queue.config.max_tasks, 7)
        self.assertEqual(queue.config.discipline, api.queue.DISCIPLINE_PRIORITY)
        self.assertEqual((queue.stats.queued, queue.stats.scheduled), (1, 1))
        self.assertEqual(connection.outcome(done).result, b"oneone")
        self.assertEqual(connection.show(waiting).state, api.task.TASK_STATE_QUEUED)
        self.assertEqual(connection.show(later).state, api.task.TASK_STATE_SCHEDULED)

        same = api.task.TaskSpec(queue="kept", type="a", priority=1, request_key="once")
        self.assertEqual(connection.submit(same), [waiting])
        other = api.task.TaskSpec(queue="kept", type="b", priority=1, request_key="once")
        response = connection.tasks.Submit(api.tasks.SubmitRequest(tasks=[other]), timeout=60)
        self.assertEqual(response.results[0].status.code, 6, "ALREADY_EXISTS")

    def test_a_lease_outlives_the_broker_and_its_report_counts(self):
        broker = self.broker()
        connection = self.connect(broker)
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        (leased,) = connection.lease(["q"])
        broker.restart()
        self.assertEqual(list(connection.lease(["q"], wait_ms=200)), [])
        self.assertEqual(connection.complete(leased, result=b"kept").code, 0)
        self.assertEqual(connection.outcome(name).result, b"kept")

    def test_a_session_goes_on_where_it_was(self):
        broker = self.broker()
        connection = self.connect(broker)
        session = Session(connection)
        self.addCleanup(session.close)
        session.submit([api.task.TaskSpec(queue="q", type="a")] * 10)
        session.wait(lambda s: len(s.acknowledged) == 10, "ten accepted", 60)
        before = session.session_id
        broker.restart()
        session.submit([api.task.TaskSpec(queue="q", type="a")] * 10)
        session.wait(lambda s: len(s.acknowledged) == 20, "twenty accepted", 60)
        self.assertEqual(session.session_id, before)
        leased = connection.lease(["q"], max_tasks=100)
        self.assertEqual(len(leased), 20)
        for task in leased:
            self.assertEqual(connection.complete(task).code, 0)
        session.wait(lambda s: len(s.outcomes) == 20, "twenty outcomes", 60)

    def test_a_memory_broker_promises_no_more_than_it_can_keep(self):
        broker = self.broker("--store=memory")
        connection = self.connect(broker)
        response = connection.tasks.Submit(
            api.tasks.SubmitRequest(tasks=[api.task.TaskSpec(queue="q", type="a")]), timeout=60
        )
        self.assertEqual(response.results[0].durability, api.task.DURABILITY_MEMORY)

    def await_attached(self, connection):
        processes.wait_until(
            lambda: any(worker.connected for worker in connection.attached_workers()),
            "the worker to come back",
        )

    @staticmethod
    def lines(path):
        return len(path.read_text().splitlines()) if path.exists() else 0


if __name__ == "__main__":
    unittest.main(verbosity=2)
