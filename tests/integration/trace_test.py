#!/usr/bin/env python3
"""Spans of sampled tasks: from the submit's traceparent to the handler, and into --trace-file."""

import collections
import json
import time
import unittest

import api
from processes import http_get, wait_until
from scenario import Scenario
from treadle.v1 import task_pb2, task_service_pb2

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
ENV = "/usr/bin/env"
FALSE = "/usr/bin/false"


def span_id(task_id, what):
    """As proto/support/trace_context.h says."""
    value = 0xCBF29CE484222325
    for byte in f"{TRACE} {task_id} {what}".encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value or 1:016x}"


def attributes(pairs):
    """Of a span or a resource, by their keys."""
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


def environment(outcome):
    """What `env` printed, as a dictionary."""
    lines = outcome.result.decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


class Trace(Scenario):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "spans.jsonl"
        self.server = self.broker(f"--trace-file={self.file}", http="127.0.0.1:0")
        self.api = self.connect(self.server)

    def start_worker(self):
        self.worker(self.server.address, f"--allow-exec={ENV}", f"--allow-exec={FALSE}", name="w")

    def submit(self, spec, **headers):
        spec.headers.update(headers)
        return self.api.submit(spec)[0]

    def spans(self):
        """Those in the file when the broker has ended, of each task, in their order."""
        self.server.terminate()
        spans = collections.defaultdict(list)
        for line in self.file.read_text().splitlines():
            (request,) = json.loads(line)["resourceSpans"]
            resource = attributes(request["resource"]["attributes"])
            self.assertEqual(resource["service.name"], "treadle-server")
            (scope,) = request["scopeSpans"]
            for span in scope["spans"]:
                span["attributes"] = attributes(span["attributes"])
                spans[span["attributes"]["messaging.message.id"]].append(span)
        return spans

    def check(self, task_id, span, what, parent):
        self.assertEqual(span["traceId"], TRACE)
        self.assertEqual(span["spanId"], span_id(task_id, what))
        self.assertEqual(span["parentSpanId"], parent)
        self.assertIsInstance(span["startTimeUnixNano"], str)
        self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        self.assertEqual(span["attributes"]["messaging.system"], "treadle")
        self.assertEqual(span["attributes"]["messaging.destination.name"], "default")

    def test_a_task_has_a_wait_an_attempt_and_a_life(self):
        begun_ns = time.time_ns()
        task_id = self.submit(api.exec_spec([ENV]), traceparent=SAMPLED, tracestate="v=1")
        self.start_worker()
        said = environment(self.api.outcome(task_id))
        attempt_span = span_id(task_id, "attempt 1")
        self.assertEqual(said["TRACEPARENT"], f"00-{TRACE}-{attempt_span}-01")
        self.assertEqual(said["TRACESTATE"], "v=1")

        wait, attempt, life = self.spans()[task_id]
        lived = span_id(task_id, "task")
        self.check(task_id, attempt, "attempt 1", lived)
        self.check(task_id, life, "task", CALLER)
        self.assertEqual(wait["parentSpanId"], lived)
        self.assertEqual([span["name"] for span in (wait, attempt, life)],
                         ["queued default", "process default", "task default"])
        self.assertEqual([span["kind"] for span in (wait, attempt, life)], [1, 5, 1])
        self.assertEqual({span["traceState"] for span in (wait, attempt, life)}, {"v=1"})
        times = [life["startTimeUnixNano"], wait["endTimeUnixNano"],
                 attempt["startTimeUnixNano"], attempt["endTimeUnixNano"]]
        self.assertEqual(times, sorted(times))
        self.assertEqual(attempt["endTimeUnixNano"], life["endTimeUnixNano"])
        self.assertLess(abs(int(times[0]) - begun_ns), 60e9)
        self.assertEqual(attempt["status"], {"code": 1})
        self.assertEqual(attempt["attributes"]["treadle.worker"], "w")
        self.assertEqual(attempt["attributes"]["treadle.attempt"], "1")
        self.assertEqual(attempt["attributes"]["treadle.outcome"], "succeeded")
        self.assertEqual(attempt["attributes"]["treadle.task.type"], f"exec:{ENV}")

    def test_each_attempt_that_fails_has_a_span(self):
        retry = task_pb2.RetryPolicy(initial_delay_ms=10)
        spec = api.exec_spec([FALSE], max_attempts=2, retry=retry)
        task_id = self.submit(spec, traceparent=SAMPLED)
        self.start_worker()
        self.api.outcome(task_id)
        spans = self.spans()[task_id]
        self.assertEqual([span["name"].split()[0] for span in spans],
                         ["queued", "process", "queued", "process", "task"])
        for number, attempt in enumerate((spans[1], spans[3]), start=1):
            self.check(task_id, attempt, f"attempt {number}", span_id(task_id, "task"))
            self.assertEqual(attempt["attributes"]["error.type"], "ExitStatus")
            self.assertEqual(attempt["status"]["code"], 2)
            self.assertIn("1", attempt["status"]["message"])
        self.assertEqual(spans[4]["attributes"]["treadle.outcome"], "failed")
        self.assertNotEqual(spans[0]["spanId"], spans[2]["spanId"])

    def test_the_metadata_of_a_submit_is_for_tasks_without_a_trace_of_their_own(self):
        own = api.exec_spec([ENV])
        own.headers["traceparent"] = SAMPLED[:-2] + "00"
        request = task_service_pb2.SubmitRequest(tasks=[api.exec_spec([ENV]), own])
        metadata = [("traceparent", SAMPLED), ("tracestate", "m=1")]
        response = self.api.tasks.Submit(request, metadata=metadata, timeout=60)
        run = task_service_pb2.SubmitRunRequest(common=api.exec_spec([ENV]), payloads=[b"", b""])
        run_response = self.api.tasks.SubmitRun(run, metadata=metadata, timeout=60)
        self.start_worker()
        given, unsampled = (result.task_id for result in response.results)
        said = environment(self.api.outcome(given))
        self.assertEqual(said["TRACEPARENT"], f"00-{TRACE}-{span_id(given, 'attempt 1')}-01")
        self.assertEqual(said["TRACESTATE"], "m=1")
        said = environment(self.api.outcome(unsampled))
        self.assertTrue(said["TRACEPARENT"].endswith("-00"))
        self.assertNotIn("TRACESTATE", said)
        in_run = [result.task_id for result in run_response.results]
        for task_id in in_run:
            self.api.outcome(task_id)
        self.assertEqual(set(self.spans()), {given, *in_run})

    def test_what_is_not_valid_is_ignored_and_figures_tell(self):
        task_id = self.submit(api.exec_spec([ENV]), traceparent="00-1-2-01")
        plain = self.submit(api.exec_spec([ENV]))
        traced = self.submit(api.exec_spec([ENV]), traceparent=SAMPLED)
        self.start_worker()
        for each in (task_id, plain):
            self.assertNotIn("TRACEPARENT", environment(self.api.outcome(each)))
        self.api.outcome(traced)

        def written():
            return "treadle_spans_written_total 3" in http_get(self.server.http, "/metrics")[1]

        wait_until(written, "the spans to be written")
        body = http_get(self.server.http, "/metrics")[1]
        self.assertIn("treadle_spans_dropped_total 0", body)
        self.assertIn("treadle_untraced_tasks_total 0", body)
        self.assertEqual(set(self.spans()), {traced})


if __name__ == "__main__":
    unittest.main()
