import grpc
from treadle.v1 import worker_service_pb2 as api, worker_service_pb2_grpc

broker = worker_service_pb2_grpc.WorkerServiceStub(grpc.insecure_channel("127.0.0.1:7733"))
while True:
    wanted = api.LeaseRequest(queues=["default"], types=["shout"], wait_ms=10_000)
    for task in broker.Lease(wanted).tasks:
        report = api.AttemptReport(token=task.token, end=api.ATTEMPT_END_SUCCEEDED,
                                   result=task.payload.upper())
        broker.Complete(api.CompleteRequest(reports=[report]))
