#!/usr/bin/env python3
"""one_slot_worker.py ADDRESS QUEUE COUNT FILE: an attached worker with one slot.

Takes COUNT tasks, one at a time, and appends the payload of each to FILE as it begins. Comes back
with what it holds when the broker goes away.
"""

import queue
import sys
import time
import uuid

import grpc

import api


class OneSlotWorker:
    def __init__(self, address, queue_name, count, path):
        self.connection = api.Connection(address)
        self.queue = queue_name
        self.left = count
        self.file = open(path, "ab", buffering=0)
        self.worker_id = uuid.uuid4().hex
        self.unhandled = {}  # token -> its report, not known to be durable
        self.waiting = {}  # number of a message -> the tokens that it reports
        self.number = 0

    def run(self):
        while self.left > 0 or self.unhandled:
            try:
                self.hold_stream()
            except grpc.RpcError as error:
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                ):
                    raise
                time.sleep(0.05)

    def hold_stream(self):
        requests = queue.SimpleQueue()
        self.number = 0
        self.waiting.clear()
        hello = api.workers.WorkerHello(
            worker_id=self.worker_id,
            worker_name=f"one slot of {self.queue}",
            queues=[self.queue],
            pools=[api.workers.WorkerPool(name="one", slots=1)],
            held_tokens=list(self.unhandled),
        )
        started = list(self.unhandled)
        requests.put(api.workers.AttachRequest(hello=hello, started_tokens=started))
        stream = self.connection.workers.Attach(self.said(requests), wait_for_ready=True)
        try:
            for response in stream:
                self.hear(response, requests)
                if self.left == 0 and not self.unhandled:
                    break
        finally:
            requests.put(None)
            stream.cancel()

    @staticmethod
    def said(requests):
        while True:
            try:
                message = requests.get(timeout=1)
            except queue.Empty:
                message = api.workers.AttachRequest()  # a heartbeat
            if message is None:
                return
            yield message

    def hear(self, response, requests):
        if response.HasField("welcome"):
            for token in response.welcome.revoked_tokens:  # reported before the line was lost
                self.unhandled.pop(token, None)
            requests.put(self.message(list(self.unhandled.values())))
            return
        for number in [n for n in self.waiting if n <= response.handled_report_sequence]:
            for token in self.waiting.pop(number):
                self.unhandled.pop(token, None)
        if not response.runs:
            return
        [run] = response.runs
        assert len(run.payload_sizes) == 1, f"{len(run.payload_sizes)} tasks for one slot"
        self.file.write(run.payloads + b"\n")
        self.left -= 1
        report = api.workers.ReportRun(first_token=run.first.token, result_sizes=[0])
        self.unhandled[report.first_token] = report
        requests.put(self.message([report]))

    def message(self, reports):
        """Reports, and the one slot again."""
        self.number += 1
        self.waiting[self.number] = [report.first_token for report in reports]
        credit = [api.workers.Credit(pool=0, tasks=1)] if self.left > 0 else []
        return api.workers.AttachRequest(
            succeeded=reports, report_sequence=self.number, credits=credit
        )


def main():
    address, queue_name, count, path = sys.argv[1:]
    OneSlotWorker(address, queue_name, int(count), path).run()


if __name__ == "__main__":
    main()
