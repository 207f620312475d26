#!/usr/bin/env python3
"""A client and a ten-line worker in Python, with nothing but gRPC.

    apt-get install python3-grpcio python3-protobuf protobuf-compiler protobuf-compiler-grpc
    mkdir -p stubs
    protoc -I proto --python_out=stubs --grpc_out=stubs \\
        --plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin proto/treadle/v1/*.proto
    PYTHONPATH=stubs /usr/bin/python3 tests/integration/worker_and_client.py 127.0.0.1:7733
"""

import sys
import threading

import grpc
from treadle.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc
from treadle.v1 import worker_service_pb2, worker_service_pb2_grpc


def work(channel, stop):
    """Takes tasks of type "upper" until told to stop."""
    workers = worker_service_pb2_grpc.WorkerServiceStub(channel)
    request = worker_service_pb2.LeaseRequest(
        queues=["texts"],
        types=["upper"],
        max_tasks=100,
        lease_ms=10_000,
        wait_ms=500,
        worker_name="python",
    )
    while not stop.is_set():
        reports = []
        for task in workers.Lease(request, timeout=30).tasks:
            # Work that takes longer than its lease extends it now and then.
            if task.payload == b"slow":
                extension = worker_service_pb2.LeaseExtension(token=task.token, lease_ms=10_000)
                workers.Extend(worker_service_pb2.ExtendRequest(leases=[extension]), timeout=30)
            report = worker_service_pb2.AttemptReport(
                token=task.token,
                end=worker_service_pb2.ATTEMPT_END_SUCCEEDED,
                result=task.payload.upper(),
            )
            reports.append(report)
        if reports:
            workers.Complete(worker_service_pb2.CompleteRequest(reports=reports), timeout=30)


def submit(channel, text):
    """One task."""
    client = task_service_pb2_grpc.TaskServiceStub(channel)
    spec = task_pb2.TaskSpec(queue="texts", type="upper", payload=text)
    return client.Submit(task_service_pb2.SubmitRequest(tasks=[spec]), timeout=30).results


def submit_all(channel, texts):
    """One task for each text."""
    client = task_service_pb2_grpc.TaskServiceStub(channel)
    common = task_pb2.TaskSpec(queue="texts", type="upper")
    run = task_service_pb2.SubmitRunRequest(common=common, payloads=texts)
    return client.SubmitRun(run, timeout=30).results


def fetch(channel, submitted):
    """The results, in the order of the submits."""
    client = task_service_pb2_grpc.TaskServiceStub(channel)
    for result in submitted:
        if result.status.code != 0:
            raise RuntimeError(result.status.message)
        awaited = client.AwaitTask(
            task_service_pb2.AwaitTaskRequest(task_id=result.task_id, timeout_ms=30_000), timeout=40
        )
        if awaited.outcome.state != task_pb2.TASK_STATE_SUCCEEDED:
            raise RuntimeError(f"{result.task_id}: {awaited.outcome.error.message or 'not yet'}")
        yield awaited.outcome.result


def main():
    texts = [f"warp and weft {number}".encode() for number in range(1_000)]
    with grpc.insecure_channel(sys.argv[1]) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        stop = threading.Event()
        worker = threading.Thread(target=work, args=(channel, stop))
        worker.start()
        try:
            alone = list(fetch(channel, submit(channel, b"slow")))
            results = list(fetch(channel, submit_all(channel, texts)))
        finally:
            stop.set()
            worker.join()
    for result in results[:3]:
        print(result.decode())
    if alone != [b"SLOW"] or results != [text.upper() for text in texts]:
        sys.exit("the results are not what the worker was asked for")
    print(f"{len(results)} results fetched")


if __name__ == "__main__":
    main()
