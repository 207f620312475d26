#!/usr/bin/env python3
"""What tasks say while they run, read by several at a time: each byte once, in order."""

import pathlib
import threading
import unittest

import api
from processes import LIMIT_S, PYTHON, skip_if_sanitized, wait_until
from scenario import Scenario
from treadle.v1 import output_pb2, task_pb2, task_service_pb2

LINES = 100_000
LINE = "{:07d} " + 91 * "x" + "\n"
SAID = "".join(LINE.format(i) for i in range(LINES)).encode()
MIB = 1 << 20

# Says all of it on standard error; half-way it waits until the file is there.
PROGRAM = f"""
import os, sys, time
for i in range({LINES}):
    sys.stderr.write({LINE!r}.format(i))
    if i == {LINES // 2}:
        sys.stderr.flush()
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
"""


class Reader(threading.Thread):
    """Follows a task, over whatever happens to the broker."""

    def __init__(self, connection, task_id):
        super().__init__(daemon=True)
        self.api = connection
        self.task_id = task_id
        self.offset = 0
        self.said = {}  # bytes, by attempt
        self.superseded = {}  # by attempt, as it was said last
        self.last = None
        self.error = None
        self.may_read = threading.Event()
        self.may_read.set()

    def read(self):
        request = task_service_pb2.ReadOutputRequest(
            task_id=self.task_id, offset=self.offset, wait_ms=10_000)
        response = api.patiently(self.api.tasks.ReadOutput, request, LIMIT_S)
        for run in response.runs:
            assert run.first_offset >= self.offset, (run.first_offset, self.offset)
            self.offset = run.first_offset + len(run.entries)
            said = self.said.setdefault(run.attempt, bytearray())
            for entry in run.entries:
                assert entry.kind == output_pb2.OUTPUT_KIND_STANDARD_ERROR, entry
                said += entry.data
            self.superseded[run.attempt] = run.superseded
        assert response.next_offset >= self.offset
        self.offset = response.next_offset
        self.last = response
        return response.end

    def run(self):
        try:
            end = False
            while not end:
                self.may_read.wait()
                end = self.read()
        except Exception as error:  # for the thread that joins
            self.error = error

    def bytes_read(self):
        return sum(len(said) for said in self.said.values())

    def finish(self):
        self.may_read.set()
        self.join(LIMIT_S)
        if self.error is not None:
            raise self.error
        assert not self.is_alive(), "it did not see the end"


class Follow(Scenario):
    def setUp(self):
        super().setUp()
        self.go_on = self.folder / "go-on"
        self.server = self.broker("--task-output-max=64MiB")
        self.api = self.connect(self.server)

    def start_worker(self, name="w"):
        return self.worker(self.server.address, f"--allow-exec={PYTHON}", name=name)

    def submit(self, **fields):
        return self.api.submit(api.exec_spec([PYTHON, "-c", PROGRAM, str(self.go_on)], **fields))[0]

    def follow(self, task_id):
        reader = Reader(self.connect(self.server), task_id)
        reader.start()
        return reader

    def wait_half(self, reader, attempt=1):
        half = len(SAID) // 2
        wait_until(lambda: reader.error or len(reader.said.get(attempt, b"")) > half, "half of it")

    def memory(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    @skip_if_sanitized
    def test_three_read_ten_megabytes_one_stops_and_one_comes_late(self):
        before = self.memory()
        task_id = self.submit()
        eager, slow = self.follow(task_id), self.follow(task_id)
        self.start_worker()
        wait_until(lambda: slow.bytes_read() > 0, "the first bytes")
        slow.may_read.clear()
        self.wait_half(eager)
        late = self.follow(task_id)
        self.wait_half(late)
        self.go_on.touch()
        eager.finish()
        self.assertLess(slow.bytes_read(), len(SAID))
        for reader in (eager, slow, late):
            reader.finish()
            self.assertEqual(bytes(reader.said[1]), SAID)
            self.assertEqual(reader.last.state, task_pb2.TASK_STATE_SUCCEEDED)
            self.assertFalse(reader.superseded[1])
        # Beside the store's own memory: what was written and is not in a table yet.
        self.assertLess(self.memory() - before, len(SAID) + 48 * MIB)

    def test_the_same_when_the_broker_is_killed(self):
        task_id = self.submit()
        eager, slow = self.follow(task_id), self.follow(task_id)
        self.start_worker()
        wait_until(lambda: slow.bytes_read() > 0, "the first bytes")
        slow.may_read.clear()
        self.wait_half(eager)
        self.server.restart()
        late = self.follow(task_id)
        self.go_on.touch()
        wait_until(lambda: eager.error or len(eager.said[1]) > len(SAID) * 3 // 4, "more of it")
        self.server.restart()
        for reader in (eager, slow, late):
            reader.finish()
            self.assertEqual(bytes(reader.said[1]), SAID)
            self.assertEqual(reader.last.state, task_pb2.TASK_STATE_SUCCEEDED)

    def test_the_same_when_the_worker_is_killed(self):
        task_id = self.submit(max_attempts=5)
        eager, slow = self.follow(task_id), self.follow(task_id)
        first = self.start_worker()
        wait_until(lambda: slow.bytes_read() > 0, "the first bytes")
        slow.may_read.clear()
        self.wait_half(eager)
        first.kill()
        self.go_on.touch()
        self.start_worker("second")
        wait_until(lambda: eager.error or len(eager.said) > 1, "another attempt")
        self.server.restart()
        late = self.follow(task_id)
        for reader in (eager, slow, late):
            reader.finish()
            last = max(reader.said)
            self.assertGreater(last, 1)
            self.assertEqual(bytes(reader.said[last]), SAID)
            self.assertFalse(reader.superseded[last])
            self.assertEqual(bytes(reader.said[1]), SAID[:len(reader.said[1])])
        self.assertTrue(late.superseded[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
