#!/usr/bin/env python3
"""Bad input, and what it gets: a canonical code and a sentence that names the field."""

import unittest

import grpc

import api
from scenario import Scenario

OK = 0
INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS.value[0]
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
ABORTED = grpc.StatusCode.ABORTED.value[0]
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION.value[0]

DAY_MS = 24 * 3600 * 1000


class BadInput(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.connection = self.connect(self.server)

    def tearDown(self):
        self.assertTrue(self.server.running(), self.server.tail())

    def refused(self, call, request, code, *words):
        with self.assertRaises(grpc.RpcError) as raised:
            call(request, timeout=60)
        error = raised.exception
        self.assertEqual(error.code().value[0], code, error.details())
        for word in words:
            self.assertIn(word, error.details())

    def test_tasks_that_cannot_be(self):
        cases = [
            ({"queue": ""}, "queue"),
            ({"queue": "x" * 10_000}, "queue"),
            ({"queue": "two\nlines"}, "queue"),
            ({"queue": "nul\0byte"}, "queue"),
            ({"type": ""}, "type"),
            ({"type": "x" * 256}, "type"),
            ({"payload": bytes(4 << 20)}, "payload"),
            ({"content_type": "x" * 256}, "content_type"),
            ({"headers": {str(n): "x" for n in range(65)}}, "headers"),
            ({"headers": {"x": "x" * (16 << 10)}}, "headers"),
            ({"priority": 1}, "priority"),
            ({"delay_ms": -1}, "delay_ms"),
            ({"delay_ms": 367 * DAY_MS}, "delay_ms"),
            ({"delay_ms": 2**63 - 1}, "delay_ms"),
            ({"run_at_ms": 2**63 - 1}, "run_at_ms"),
            ({"deadline_in_ms": -1}, "deadline_in_ms"),
            ({"deadline_in_ms": 367 * DAY_MS}, "deadline_in_ms"),
            ({"max_attempts": -1}, "max_attempts"),
            ({"max_attempts": 1000001}, "max_attempts"),
            ({"attempt_timeout_ms": -1}, "attempt_timeout_ms"),
            ({"result_ttl_ms": -1}, "result_ttl_ms"),
            ({"result_ttl_ms": 367 * DAY_MS}, "result_ttl_ms"),
            ({"request_key": "x" * 256}, "request_key"),
            ({"durability": 17}, "durability"),
            ({"wait_if_full_ms": -1}, "wait_if_full_ms"),
            ({"wait_if_full_ms": 2 * DAY_MS}, "wait_if_full_ms"),
            ({"retry": {"initial_delay_ms": -1}}, "initial_delay_ms"),
            ({"retry": {"max_delay_ms": 8 * DAY_MS}}, "max_delay_ms"),
            ({"retry": {"multiplier": 0.5}}, "multiplier"),
            ({"retry": {"multiplier": float("nan")}}, "multiplier"),
            ({"retry": {"jitter": 1.5}}, "jitter"),
            ({"retry": {"no_retry_error_types": ["x"] * 33}}, "no_retry_error_types"),
        ]
        for fields, word in cases:
            with self.subTest(**{k: str(v)[:40] for k, v in fields.items()}):
                spec = api.task.TaskSpec(**{"queue": "q", "type": "a", **fields})
                request = api.tasks.SubmitRequest(tasks=[spec])
                (result,) = self.connection.tasks.Submit(request, timeout=60).results
                self.assertEqual(result.status.code, INVALID, result.status.message)
                self.assertIn(word, result.status.message)

    def test_one_bad_item_does_not_spoil_the_batch(self):
        specs = [
            api.task.TaskSpec(queue="q", type="a"),
            api.task.TaskSpec(queue="", type="a"),
            api.task.TaskSpec(queue="q", type="a"),
        ]
        results = self.connection.tasks.Submit(
            api.tasks.SubmitRequest(tasks=specs), timeout=60
        ).results
        self.assertEqual([r.status.code for r in results], [OK, INVALID, OK])
        self.assertEqual(len(self.connection.lease(["q"], max_tasks=10)), 2)

    def test_batches_that_cannot_be(self):
        submit = self.connection.tasks.Submit
        self.refused(submit, api.tasks.SubmitRequest(), INVALID, "tasks")
        spec = api.task.TaskSpec(queue="q", type="a")
        many = api.tasks.SubmitRequest(tasks=[spec] * 10_001)
        self.refused(submit, many, INVALID, "10000")

    def test_task_ids_that_name_nothing(self):
        tasks = self.connection.tasks
        calls = [
            (tasks.GetTask, api.tasks.GetTaskRequest),
            (tasks.GetPayload, api.tasks.GetPayloadRequest),
            (tasks.ExplainTask, api.explain.ExplainTaskRequest),
            (tasks.AwaitTask, api.tasks.AwaitTaskRequest),
            (tasks.CancelTask, api.tasks.CancelTaskRequest),
        ]
        for call, request in calls:
            self.refused(call, request(task_id="zz-zz"), NOT_FOUND, "zz-zz")
            for bad in ("", "no id", "3F-1", "0-1", "-", "x" * 1000):
                self.refused(call, request(task_id=bad), INVALID, "task_id")
        letter = self.connection.dead.GetDeadLetter
        self.refused(letter, api.dead.GetDeadLetterRequest(task_id="zz-zz"), NOT_FOUND, "zz-zz")
        watch = lambda request, timeout: list(tasks.WatchTask(request, timeout=timeout))
        self.refused(watch, api.tasks.WatchTaskRequest(task_id="zz-zz"), NOT_FOUND, "zz-zz")

    def test_waits_that_cannot_be(self):
        (name,) = self.connection.submit(api.task.TaskSpec(queue="q", type="a"))
        for wait in (-1, 2 * 3600 * 1000):
            self.refused(
                self.connection.tasks.AwaitTask,
                api.tasks.AwaitTaskRequest(task_id=name, timeout_ms=wait),
                INVALID,
                "timeout_ms",
            )

    def test_queues_that_cannot_be(self):
        create = self.connection.queues.CreateQueue
        cases = [
            ({"name": ""}, "name"),
            ({"name": "x" * 10_000}, "name"),
            ({"name": "a\tb"}, "name"),
            ({"name": "q", "discipline": 9}, "discipline"),
            ({"name": "q", "max_tasks": -1}, "max_tasks"),
            ({"name": "q", "max_tasks": 10**9}, "max_tasks"),
            ({"name": "q", "max_bytes": -1}, "max_bytes"),
        ]
        for fields, word in cases:
            with self.subTest(**{k: str(v)[:40] for k, v in fields.items()}):
                config = api.queue.QueueConfig(**fields)
                self.refused(create, api.queue.CreateQueueRequest(config=config), INVALID, word)
        config = api.queue.QueueConfig(name="q", discipline=api.queue.DISCIPLINE_LIFO)
        create(api.queue.CreateQueueRequest(config=config), timeout=60)
        create(api.queue.CreateQueueRequest(config=config), timeout=60)  # again as it is
        config.discipline = api.queue.DISCIPLINE_FIFO
        self.refused(create, api.queue.CreateQueueRequest(config=config), ALREADY_EXISTS, "q")
        queues = self.connection.queues
        self.refused(queues.GetQueue, api.queue.GetQueueRequest(name="no"), NOT_FOUND, "no")
        self.connection.submit(api.task.TaskSpec(queue="q", type="a"))
        delete = api.queue.DeleteQueueRequest(name="q")
        self.refused(queues.DeleteQueue, delete, FAILED_PRECONDITION, "q")

    def test_a_full_queue(self):
        self.connection.create_queue(name="small", max_tasks=2)
        spec = api.task.TaskSpec(queue="small", type="a")
        request = api.tasks.SubmitRequest(tasks=[spec] * 3)
        results = self.connection.tasks.Submit(request, timeout=60).results
        self.assertEqual([r.status.code for r in results], [OK, OK, EXHAUSTED])
        for word in ("small", "2 of 2", "max_tasks"):
            self.assertIn(word, results[2].status.message)
        patient = api.task.TaskSpec(queue="small", type="a", wait_if_full_ms=50_000)
        waiting = self.connection.tasks.Submit.future(
            api.tasks.SubmitRequest(tasks=[patient]), timeout=60
        )
        self.connection.lease(["small"])
        self.assertEqual(waiting.result().results[0].status.code, OK)

    def test_an_unknown_queue_where_none_is_made(self):
        strict = self.connect(self.broker("--auto-create-queues=false", name="strict"))
        spec = api.task.TaskSpec(queue="nowhere", type="a")
        (result,) = strict.tasks.Submit(
            api.tasks.SubmitRequest(tasks=[spec]), timeout=60, wait_for_ready=True
        ).results
        self.assertEqual(result.status.code, NOT_FOUND, result.status.message)
        self.assertIn("nowhere", result.status.message)

    def test_reports_that_do_not_fit(self):
        connection = self.connection
        connection.submit(api.task.TaskSpec(queue="q", type="a"))
        [first] = connection.lease(["q"])

        def status(token, end=api.workers.ATTEMPT_END_SUCCEEDED, **fields):
            return connection.complete(api.workers.LeasedTask(token=token), end=end, **fields)

        wrong = status(first.token + 1000)
        self.assertEqual(wrong.code, ABORTED, wrong.message)
        self.assertEqual(status(0).code, INVALID)
        self.assertEqual(status(first.token, end=0).code, INVALID)
        self.assertEqual(status(first.token, end=77).code, INVALID)
        large = status(first.token, result=bytes(4 << 20))
        self.assertEqual(large.code, INVALID, large.message)
        self.assertEqual(status(first.token).code, OK)
        # The same again is answered as the first time; another end is not.
        self.assertEqual(status(first.token).code, OK)
        other = status(first.token, end=api.workers.ATTEMPT_END_FAILED)
        self.assertEqual(other.code, ABORTED, other.message)

    def test_leases_that_cannot_be(self):
        lease = self.connection.workers.Lease
        cases = [
            ({"queues": []}, "queues"),
            ({"queues": ["q"] * 257}, "queues"),
            ({"queues": [""]}, "queue"),
            ({"types": ["a"] * 1025}, "types"),
            ({"max_tasks": -1}, "max_tasks"),
            ({"max_tasks": 1001}, "max_tasks"),
            ({"lease_ms": 10}, "lease_ms"),
            ({"lease_ms": 2 * DAY_MS}, "lease_ms"),
            ({"wait_ms": -1}, "wait_ms"),
            ({"wait_ms": 2 * 3600 * 1000}, "wait_ms"),
        ]
        for fields, word in cases:
            with self.subTest(**{k: str(v)[:40] for k, v in fields.items()}):
                request = api.workers.LeaseRequest(**{"queues": ["q"], **fields})
                self.refused(lease, request, INVALID, word)

    def test_hellos_and_credit_that_cannot_be(self):
        pools = [api.workers.WorkerPool(slots=1)]
        hellos = [
            ({"worker_id": ""}, "worker_id"),
            ({"worker_id": "x" * 65}, "worker_id"),
            ({"queues": []}, "queues"),
            ({"pools": []}, "pools"),
            ({"pools": pools * 17}, "pools"),
        ]
        for fields, word in hellos:
            with self.subTest(word=word):
                self.refused_attach(word, **fields)
        for credit, word in (
            ({"pool": 0, "tasks": -1}, "credit"),
            ({"pool": 0, "tasks": 1_000_000_000}, "credit"),
            ({"pool": 3, "tasks": 1}, "pool"),
            ({"pool": -1, "tasks": 1}, "pool"),
        ):
            with self.subTest(**credit):
                self.refused_attach(word, credit=credit)

    def refused_attach(self, word, credit=None, **fields):
        hello = {
            "worker_id": "w",
            "queues": ["q"],
            "pools": [api.workers.WorkerPool(slots=1)],
            **fields,
        }
        requests = [api.workers.AttachRequest(hello=api.workers.WorkerHello(**hello))]
        if credit:
            requests.append(api.workers.AttachRequest(credits=[api.workers.Credit(**credit)]))
        attach = lambda request, timeout: list(
            self.connection.workers.Attach(iter(request), timeout=timeout)
        )
        self.refused(attach, requests, INVALID, word)

    def test_streams_that_begin_wrong(self):
        session = lambda request, timeout: list(
            self.connection.tasks.Session(iter(request), timeout=timeout)
        )
        self.refused(session, [api.tasks.SessionRequest()], INVALID, "open")
        stale = api.tasks.SessionOpen(session_id=1 << 40)
        self.refused(session, [api.tasks.SessionRequest(open=stale)], NOT_FOUND, "session")
        attach = lambda request, timeout: list(
            self.connection.workers.Attach(iter(request), timeout=timeout)
        )
        self.refused(attach, [api.workers.AttachRequest()], INVALID, "hello")


if __name__ == "__main__":
    unittest.main(verbosity=2)
