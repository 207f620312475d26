#!/usr/bin/env python3
"""A peer that means harm, or does not care: hostile_peer.py ADDRESS KIND, until it is killed.

Says "ready" when what it does has begun. A kind that asks and does not read stops itself (SIGSTOP).
"""

import os
import queue
import random
import signal
import socket
import struct
import sys
import time

import grpc

import api
from http2 import BEGIN, CONTINUATION, DATA, HEADERS, PING, PREFACE, SETTINGS, frame

OUTCOMES, OUTCOME_BYTES = 100, 3900 << 10
BARE_CONNECTIONS = 100


def number(value, bits):
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    text, value = [most], value - most
    while value >= 128:
        text.append(value % 128 + 128)
        value //= 128
    return bytes([*text, value])


def header(name, value):
    return b"\x00" + number(len(name), 7) + name + number(len(value), 7) + value


def call(method, extra=b""):
    return (
        header(b":method", b"POST")
        + header(b":scheme", b"http")
        + header(b":path", b"/" + method)
        + header(b":authority", b"x")
        + header(b"te", b"trailers")
        + header(b"content-type", b"application/grpc")
        + extra
    )


def streams(count, method, then=b"", extra=b""):
    """Calls one after the other, each followed by `then` as its data."""
    return b"".join(
        frame(HEADERS, 4, 1 + 2 * i, call(method, extra))
        + (frame(DATA, 0, 1 + 2 * i, then) if then else b"")
        for i in range(count)
    )


def garbage():
    chance = random.Random(5)
    windows = b"".join(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, i)) for i in range(5000))
    endless = b"".join(
        frame(CONTINUATION, 0, 1, header(b"k%d" % i, b"v" * 4000)) for i in range(200)
    )
    return [
        b"",
        b"\0" * 4096,
        b"GET / HTTP/1.1\r\nHost: treadle\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + chance.randbytes(512),
        PREFACE,
        PREFACE + chance.randbytes(100_000),
        BEGIN + chance.randbytes(1 << 20),
        chance.randbytes(1 << 20),
        BEGIN + streams(1000, b"treadle.v1.TaskService/Submit"),
        BEGIN + streams(60, b"treadle.v1.TaskService/Submit", b"\0\0\x40\0\0" + b"x" * 16_000),
        BEGIN + frame(HEADERS, 0, 1, call(b"treadle.v1.TaskService/Submit")) + endless,
        BEGIN + frame(PING, 0, 0, b"12345678") * 5000,
        BEGIN + windows,
        BEGIN + streams(100, b"treadle.v1.TaskService/Submit", extra=header(b"x", b"y" * 3000)),
        BEGIN + streams(500, b"treadle.v1.TaskService/Session"),
        BEGIN + streams(2000, b"treadle.v1.Nothing/AtAll"),
    ]


def many_headers():
    extra = b"".join(header(b"x-%d" % i, b"y" * 60) for i in range(90))
    return [BEGIN + streams(600, b"treadle.v1.TaskService/Submit", extra=extra)]


def bare_calls():
    """Calls of which nothing but the headers comes, more than a connection may have."""
    methods = (
        b"treadle.v1.TaskService/Submit",
        b"treadle.v1.TaskService/WatchTask",
        b"grpc.health.v1.Health/Check",
        b"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        b"treadle.v1.Nothing/AtAll",
    )
    return [BEGIN + streams(3000, method) for method in methods]


def send_raw(address, kinds, connections):
    """Each connection sends its kind, as far as it is taken, and stays open.

    Those that were broken come back, some at a time.
    """
    host, port = address.rsplit(":", 1)
    open_ = {}
    ready = False
    while True:
        absent = [i for i in range(connections) if i not in open_]
        for i in absent[: connections // 10]:
            try:
                peer = socket.create_connection((host, int(port)), timeout=30)
            except OSError:
                continue
            peer.setblocking(False)
            open_[i] = [peer, memoryview(kinds[i % len(kinds)])]
        for i, one in list(open_.items()):
            try:
                if one[1]:
                    one[1] = one[1][one[0].send(one[1]) :]
                elif one[0].recv(1 << 16) == b"":
                    raise ConnectionError
            except BlockingIOError:
                pass
            except OSError:
                one[0].close()
                del open_[i]
        if not ready and len(open_) >= connections // 2:
            print("ready", flush=True)
            ready = True
        time.sleep(0.1)


def large_outcomes(connection, count, size):
    """Finished tasks with large results."""
    spec = api.task.TaskSpec(queue="hostile-large", type="a")
    names = []
    for _ in range(count):
        names += connection.submit(spec)
        (task,) = connection.lease(["hostile-large"])
        report = api.workers.AttemptReport(
            token=task.token,
            end=api.workers.ATTEMPT_END_SUCCEEDED,
            result=b"r" * size,
        )
        api.patiently(connection.workers.Complete, api.workers.CompleteRequest(reports=[report]))
    return names


def stop_reading():
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(3600)


def deaf_sessions(address):
    """40 sessions await the same outcomes, and read none of them."""
    names = large_outcomes(api.Connection(address), OUTCOMES, OUTCOME_BYTES)
    first = api.tasks.SessionRequest(open=api.tasks.SessionOpen(client_name="deaf"))
    await_all = api.tasks.SessionRequest(await_task_ids=names)

    def requests():
        yield first
        yield await_all
        time.sleep(3600)

    connections = [api.Connection(address) for _ in range(40)]
    held = [connection.tasks.Session(requests(), wait_for_ready=True) for connection in connections]
    for stream in held:
        next(stream)
    stop_reading()


def deaf_awaits(address):
    """One connection asks for one outcome 1,500 times, and reads none of the answers."""
    connection = api.Connection(address)
    (name,) = large_outcomes(connection, 1, OUTCOME_BYTES)
    request = api.tasks.AwaitTaskRequest(task_id=name, timeout_ms=600_000)
    held = [connection.tasks.AwaitTask.future(request, wait_for_ready=True) for _ in range(1500)]
    assert held
    stop_reading()


def leaves_sessions(address):
    connection = api.Connection(address)
    first = api.tasks.SessionRequest(open=api.tasks.SessionOpen(client_name="leaves"))
    ready = False
    while True:
        requests = queue.SimpleQueue()
        requests.put(first)
        stream = connection.tasks.Session(iter(requests.get, None), wait_for_ready=True)
        try:
            next(stream)
        except (grpc.RpcError, StopIteration):
            pass
        stream.cancel()
        requests.put(None)
        if not ready:
            print("ready", flush=True)
            ready = True


def makes_queues(address):
    connection = api.Connection(address)
    i = 0
    ready = False
    while True:
        config = api.queue.QueueConfig(name=f"hostile-{i}")
        try:
            connection.queues.CreateQueue(api.queue.CreateQueueRequest(config=config), timeout=60)
            i += 1
        except grpc.RpcError as error:
            if not ready and error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                print("ready", error.details(), flush=True)
                ready = True
            time.sleep(0.01)


def waits_for_names(address):
    """Lease calls for queues that are not there, each with as many names as may be."""
    connection = api.Connection(address)
    held = []
    for i in range(1500):
        names = [f"{i}-{j}-" + "n" * 200 for j in range(256)]
        request = api.workers.LeaseRequest(queues=names, wait_ms=3_600_000)
        held.append(connection.workers.Lease.future(request, wait_for_ready=True))
    print("ready", flush=True)
    time.sleep(3600)


KINDS = {
    "deaf-sessions": deaf_sessions,
    "deaf-awaits": deaf_awaits,
    "leaves-sessions": leaves_sessions,
    "makes-queues": makes_queues,
    "waits-for-names": waits_for_names,
    "bare-calls": lambda address: send_raw(address, bare_calls(), BARE_CONNECTIONS),
    "headers": lambda address: send_raw(address, many_headers(), 40),
    "garbage": lambda address: send_raw(address, garbage(), 320),
}

if __name__ == "__main__":
    # They would compete for the processors with the broker, which is a harm of another kind.
    os.nice(19)
    KINDS[sys.argv[2]](sys.argv[1])
