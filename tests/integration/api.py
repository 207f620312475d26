"""Treadle's services for the scenarios, from the stubs that the build generates."""

import json
import os
import time

import grpc

from treadle.v1 import admin_service_pb2 as admin
from treadle.v1 import admin_service_pb2_grpc
from treadle.v1 import dead_letter_service_pb2 as dead
from treadle.v1 import dead_letter_service_pb2_grpc
from treadle.v1 import explain_pb2 as explain
from treadle.v1 import queue_service_pb2 as queue
from treadle.v1 import queue_service_pb2_grpc
from treadle.v1 import task_pb2 as task
from treadle.v1 import task_service_pb2 as tasks
from treadle.v1 import task_service_pb2_grpc
from treadle.v1 import worker_service_pb2 as workers
from treadle.v1 import worker_service_pb2_grpc

__all__ = ["Connection", "admin", "dead", "exec_spec", "explain", "patiently", "queue", "task",
           "tasks", "workers"]

DEADLINE_S = int(os.environ.get("TREADLE_LIMIT_S", 60))

OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # A connection of its own for each Connection, and quick to come back.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]


def patiently(call, request, timeout=DEADLINE_S):
    """The response. A broker that is away, or goes away during the call, is asked again."""
    end = time.monotonic() + timeout
    while True:
        try:
            return call(request, timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(0.02)


class Connection:
    """One channel and its stubs. Its own methods wait for the broker, up to DEADLINE_S."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=OPTIONS)
        self.tasks = task_service_pb2_grpc.TaskServiceStub(self.channel)
        self.workers = worker_service_pb2_grpc.WorkerServiceStub(self.channel)
        self.queues = queue_service_pb2_grpc.QueueServiceStub(self.channel)
        self.dead = dead_letter_service_pb2_grpc.DeadLetterServiceStub(self.channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def submit(self, *specs):
        """Submits all and returns their ids; an item that is refused is an error."""
        response = patiently(self.tasks.Submit, tasks.SubmitRequest(tasks=specs))
        for result in response.results:
            if result.status.code != 0:
                raise AssertionError(f"refused: {result.status}")
        return [result.task_id for result in response.results]

    def outcome(self, task_id, limit_s=DEADLINE_S):
        request = tasks.AwaitTaskRequest(task_id=task_id, timeout_ms=limit_s * 1000)
        response = patiently(self.tasks.AwaitTask, request, limit_s + 10)
        if not response.finished:
            raise AssertionError(f"task {task_id} did not end within {limit_s} s")
        return response.outcome

    def show(self, task_id):
        return patiently(self.tasks.GetTask, tasks.GetTaskRequest(task_id=task_id)).task

    def attached_workers(self):
        return patiently(self.admin.ListWorkers, admin.ListWorkersRequest()).workers

    def info(self):
        return patiently(self.admin.GetServerInfo, admin.GetServerInfoRequest()).server

    def create_queue(self, **config):
        request = queue.CreateQueueRequest(config=queue.QueueConfig(**config))
        return patiently(self.queues.CreateQueue, request).queue

    def lease(self, queues, wait_ms=20_000, **fields):
        request = workers.LeaseRequest(queues=queues, wait_ms=wait_ms, **fields)
        return patiently(self.workers.Lease, request, DEADLINE_S + wait_ms / 1000).tasks

    def complete(self, leased, end=workers.ATTEMPT_END_SUCCEEDED, **fields):
        """Reports one attempt and returns the item's status."""
        report = workers.AttemptReport(token=leased.token, end=end, **fields)
        request = workers.CompleteRequest(reports=[report])
        return patiently(self.workers.Complete, request).results[0].status


def exec_spec(argv, **fields):
    """A task for the stock treadle-worker: a program with arguments."""
    spec = task.TaskSpec(type=f"exec:{argv[0]}", **{"queue": "default", **fields})
    spec.headers["exec.args"] = json.dumps(argv[1:])
    return spec
