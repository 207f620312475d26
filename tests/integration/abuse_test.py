#!/usr/bin/env python3
"""Traffic that no client should send: the broker answers, stays up and serves the others."""

import os
import pathlib
import queue
import random
import socket
import threading
import unittest

import grpc

import api
import processes
from http2 import ACK, BEGIN, PING, PREFACE, frame
from scenario import Scenario

Code = grpc.StatusCode


class Abuse(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.connection = self.connect(self.server)

    def tearDown(self):
        """Whatever came before: the same broker still does its work."""
        self.assertTrue(self.server.running(), self.server.tail())
        (name,) = self.connection.submit(api.task.TaskSpec(queue="after", type="a"))
        (task,) = self.connection.lease(["after"])
        self.assertEqual(self.connection.complete(task).code, 0)
        self.assertEqual(self.connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)

    def send(self, data):
        host, port = self.server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as peer:
            peer.settimeout(2)
            try:
                peer.sendall(data)
                while peer.recv(1 << 16):
                    pass
            except OSError:
                pass

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def memory(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def test_garbage_on_the_port(self):
        chance = random.Random(5)
        for data in (
            b"",
            b"\0" * 4096,
            b"GET / HTTP/1.1\r\nHost: treadle\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(512),
            PREFACE,
            PREFACE + chance.randbytes(100_000),
            BEGIN + b"\xff\xff\xff\x01\x25\0\0\0\1" + b"\0" * 100,
            chance.randbytes(1 << 20),
        ):
            self.send(data)

    def test_a_flood_of_pings_is_answered(self):
        """Ping by ping: to close the connection for each one too many anew costs gRPC seconds."""
        ping = frame(PING, 0, 0, b"12345678")
        answer = frame(PING, ACK, 0, b"12345678")
        host, port = self.server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as peer:
            peer.sendall(BEGIN + ping * 5000)
            got = b""
            while got.count(answer) < 5000:
                some = peer.recv(1 << 16)
                self.assertTrue(some, "the connection was closed")
                got += some

    def test_garbage_instead_of_a_message(self):
        methods = [
            "TaskService/Submit",
            "TaskService/AwaitTask",
            "WorkerService/Lease",
            "WorkerService/Complete",
            "QueueService/CreateQueue",
        ]
        for method in methods:
            call = self.connection.channel.unary_unary(f"/treadle.v1.{method}")
            with self.assertRaises(grpc.RpcError) as refused:
                call(b"\xff\xfe\xfd" * 50, timeout=60)
            self.assertIn(refused.exception.code(), (Code.INTERNAL, Code.INVALID_ARGUMENT))
        for method in ("TaskService/Session", "WorkerService/Attach"):
            call = self.connection.channel.stream_stream(f"/treadle.v1.{method}")
            with self.assertRaises(grpc.RpcError) as refused:
                list(call(iter([b"\xff\xfe\xfd" * 50]), timeout=60))
            self.assertNotEqual(refused.exception.code(), Code.DEADLINE_EXCEEDED)

    def test_a_method_that_is_not_there(self):
        call = self.connection.channel.unary_unary("/treadle.v1.TaskService/Weave")
        with self.assertRaises(grpc.RpcError) as refused:
            call(b"", timeout=60)
        self.assertEqual(refused.exception.code(), Code.UNIMPLEMENTED)

    def test_text_that_is_not_utf8(self):
        # TaskSpec{queue: "\xff", type: "a"} in SubmitRequest.tasks, as bytes: Python would refuse.
        spec = b"\x0a\x01\xff\x12\x01a"
        call = self.connection.channel.unary_unary("/treadle.v1.TaskService/Submit")
        try:
            answer = call(b"\x0a" + bytes([len(spec)]) + spec, timeout=60)
            item = api.tasks.SubmitResponse.FromString(answer).results[0]
            self.assertEqual(item.status.code, Code.INVALID_ARGUMENT.value[0])
        except grpc.RpcError as refused:
            self.assertIn(refused.code(), (Code.INTERNAL, Code.INVALID_ARGUMENT))

    def test_streams_that_say_nothing(self):
        hold = threading.Event()
        self.addCleanup(hold.set)

        def silent():
            hold.wait()
            return
            yield

        for open_stream in (self.connection.tasks.Session, self.connection.workers.Attach):
            with self.assertRaises(grpc.RpcError) as ended:
                list(open_stream(silent(), timeout=600))
            self.assertIn("send it at once", ended.exception.details())

    def test_a_stream_opened_a_thousand_times(self):
        def session():
            start = api.tasks.SessionOpen(client_name="again")
            return api.tasks.SessionRequest(open=start)

        def attach():
            pools = [api.workers.WorkerPool(slots=1)]
            hello = api.workers.WorkerHello(
                worker_id=os.urandom(8).hex(), queues=["q"], pools=pools
            )
            return api.workers.AttachRequest(hello=hello)

        def many(count):
            for _ in range(count):
                for open_stream, first in (
                    (self.connection.tasks.Session, session),
                    (self.connection.workers.Attach, attach),
                ):
                    requests = queue.SimpleQueue()
                    requests.put(first())
                    stream = open_stream(iter(requests.get, None), timeout=60)
                    next(stream)
                    stream.cancel()
                    requests.put(None)

        many(50)
        descriptors, memory = self.descriptors(), self.memory()
        many(1000)
        self.assertLess(self.memory() - memory, 64 << 20)
        processes.wait_until(lambda: self.descriptors() < descriptors + 20, "descriptors to close")

    def test_too_many_streams_at_once(self):
        hold = threading.Event()
        self.addCleanup(hold.set)

        def session():
            yield api.tasks.SessionRequest(open=api.tasks.SessionOpen(client_name="greedy"))
            hold.wait()

        limit = self.connection.info().limits.streams_per_client_max
        self.assertGreater(limit, 0)
        streams, refused = [], []
        for _ in range(limit + 10):
            stream = self.connection.tasks.Session(session(), timeout=120)
            try:
                next(stream)
                streams.append(stream)
            except grpc.RpcError as error:
                refused.append(error)
        self.assertEqual(len(streams), limit)
        self.assertEqual({error.code() for error in refused}, {Code.RESOURCE_EXHAUSTED})
        self.assertIn(str(limit), refused[0].details())
        # Another client is not made to pay.
        other = self.connect(self.server)
        stream = other.tasks.Session(session(), timeout=60)
        next(stream)
        stream.cancel()
        for stream in streams:
            stream.cancel()


if __name__ == "__main__":
    unittest.main(verbosity=2)
