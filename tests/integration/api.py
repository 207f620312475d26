"""Treadle's four services for the scenarios, from the stubs that the build generates."""

import json

import grpc

from treadle.v1 import admin_service_pb2 as admin
from treadle.v1 import admin_service_pb2_grpc
from treadle.v1 import queue_service_pb2 as queue
from treadle.v1 import queue_service_pb2_grpc
from treadle.v1 import task_pb2 as task
from treadle.v1 import task_service_pb2 as tasks
from treadle.v1 import task_service_pb2_grpc
from treadle.v1 import worker_service_pb2 as workers
from treadle.v1 import worker_service_pb2_grpc

__all__ = ["Connection", "admin", "exec_spec", "queue", "task", "tasks", "workers"]

DEADLINE_S = 60

OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # A connection of its own for each Connection, and quick to come back.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Connection:
    """One channel and its stubs. Calls wait for the broker to be there, up to DEADLINE_S."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=OPTIONS)
        self.tasks = task_service_pb2_grpc.TaskServiceStub(self.channel)
        self.workers = worker_service_pb2_grpc.WorkerServiceStub(self.channel)
        self.queues = queue_service_pb2_grpc.QueueServiceStub(self.channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def submit(self, *specs):
        """Submits all and returns their ids; an item that is refused is an error."""
        response = self.tasks.Submit(
            tasks.SubmitRequest(tasks=specs), timeout=DEADLINE_S, wait_for_ready=True
        )
        for result in response.results:
            if result.status.code != 0:
                raise AssertionError(f"refused: {result.status}")
        return [result.task_id for result in response.results]

    def outcome(self, task_id, limit_s=DEADLINE_S):
        response = self.tasks.AwaitTask(
            tasks.AwaitTaskRequest(task_id=task_id, timeout_ms=limit_s * 1000),
            timeout=limit_s + 10,
            wait_for_ready=True,
        )
        if not response.finished:
            raise AssertionError(f"task {task_id} did not end within {limit_s} s")
        return response.outcome

    def show(self, task_id):
        request = tasks.GetTaskRequest(task_id=task_id)
        return self.tasks.GetTask(request, timeout=DEADLINE_S, wait_for_ready=True).task

    def lease(self, queues, wait_ms=20_000, **fields):
        request = workers.LeaseRequest(queues=queues, wait_ms=wait_ms, **fields)
        return self.workers.Lease(
            request, timeout=DEADLINE_S + wait_ms / 1000, wait_for_ready=True
        ).tasks

    def complete(self, leased, end=workers.ATTEMPT_END_SUCCEEDED, **fields):
        """Reports one attempt and returns the item's status."""
        report = workers.AttemptReport(
            task_id=leased.task_id, token=leased.token, end=end, **fields
        )
        request = workers.CompleteRequest(reports=[report])
        response = self.workers.Complete(request, timeout=DEADLINE_S, wait_for_ready=True)
        return response.results[0].status


def exec_spec(argv, **fields):
    """A task for the stock treadle-worker: a program with arguments."""
    spec = task.TaskSpec(type="exec", **{"queue": "default", **fields})
    spec.headers["exec-argv"] = json.dumps(argv)
    return spec
