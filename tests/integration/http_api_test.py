#!/usr/bin/env python3
"""The API as JSON over HTTP, as people use it with curl, and the dashboard's files."""

import gzip
import http.client
import json
import shutil
import subprocess
import threading
import time
import unittest

import processes
from processes import wait_until
from scenario import Scenario

JSON = {"Content-Type": "application/json"}


class Http:
    """A client of the port, without anything of gRPC or protobuf."""

    def __init__(self, address):
        self.address = address

    def ask(self, verb, path, body=None, headers=None):
        """The status, the headers and the body."""
        connection = http.client.HTTPConnection(self.address, timeout=processes.LIMIT_S)
        try:
            connection.request(verb, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def call(self, method, headers=None, **fields):
        """The status and what the JSON has."""
        path = f"/treadle.v1.{method}"
        status, _, body = self.ask("POST", path, json.dumps(fields), {**JSON, **(headers or {})})
        return status, json.loads(body)

    def get(self, method, **fields):
        """What the JSON has; an error is a failure."""
        status, answer = self.call(method, **fields)
        if status != 200:
            raise AssertionError(f"{method} {fields}: {status} {answer}")
        return answer


class HttpApi(Scenario):
    def port(self, *flags):
        broker = self.broker(*flags, http="127.0.0.1:0")
        return broker, Http(broker.http)

    def test_what_people_do(self):
        broker, port = self.port("--dashboard-actions")
        self.assertEqual(port.get("QueueService/ListQueues"), {})
        queue = port.get("QueueService/CreateQueue", config={"name": "mail"})["queue"]
        self.assertEqual(queue["config"]["discipline"], "DISCIPLINE_FIFO")
        task = {"queue": "mail", "type": "greet", "payload": "aGVsbG8="}
        (result,) = port.get("TaskService/Submit", tasks=[task])["results"]
        shown = port.get("TaskService/GetTask", taskId=result["taskId"])["task"]
        self.assertEqual(shown["state"], "TASK_STATE_QUEUED")
        listed = port.get("QueueService/ListQueues")["queues"]
        self.assertEqual([(q["config"]["name"], q["stats"]["queued"]) for q in listed],
                         [("mail", "1")])

        # A worker in any language: lease, complete; and the result.
        (lease,) = port.get("WorkerService/Lease", queues=["mail"], types=["greet"])["tasks"]
        report = {"token": lease["token"], "end": "ATTEMPT_END_SUCCEEDED", "result": "aGkh"}
        port.get("WorkerService/Complete", reports=[report])
        outcome = port.get("TaskService/AwaitTask", taskId=result["taskId"])["outcome"]
        self.assertEqual(outcome["result"], "aGkh")

        self.assertEqual(port.call("TaskService/GetTask", taskId="mine")[0], 400)
        status, error = port.call("QueueService/GetQueue", name="none")
        self.assertEqual((status, error["code"]), (404, "not_found"))
        self.assertIn("none", error["message"])
        status, error = port.call("QueueService/GetQueue", nmae="mail")
        self.assertEqual((status, error["code"]), (400, "invalid_argument"))
        self.assertIn("nmae", error["message"])
        self.assertEqual(broker.terminate(), 0)

    def test_without_the_flag_it_only_shows(self):
        _, port = self.port()
        status, error = port.call("QueueService/CreateQueue", config={"name": "mail"})
        self.assertEqual((status, error["code"]), (403, "permission_denied"))
        self.assertIn("--dashboard-actions", error["message"])
        self.assertEqual(port.get("QueueService/ListQueues"), {})

    def test_charts_are_kept_until_the_broker_ends(self):
        broker, port = self.port("--dashboard-actions")
        port.get("TaskService/Submit", tasks=[{"queue": "mail", "type": "greet"}] * 10)

        def charts(**fields):
            return port.get("AdminService/GetCharts", **fields)["charts"]

        wait_until(lambda: charts().get("queued", [""])[-1] == "10", "a step of five seconds")
        told = charts()
        self.assertEqual(told["stepMs"], "5000")
        rows = len(told["timeMs"])
        self.assertEqual({len(column) for name, column in told.items() if name != "stepMs"}, {rows})
        self.assertEqual(charts(span="CHART_SPAN_DAY")["stepMs"], "120000")

        last = told["timeMs"][-1]
        self.assertTrue(all(int(time_ms) > int(last) for time_ms in
                            charts(afterMs=last).get("timeMs", [])))
        broker.restart()
        self.assertTrue(all(int(time_ms) > int(last) for time_ms in charts().get("timeMs", [])))

    def test_a_stop_does_not_wait_for_those_who_wait(self):
        broker, port = self.port("--dashboard-actions")
        task = {"queue": "mail", "type": "greet"}
        (result,) = port.get("TaskService/Submit", tasks=[task])["results"]
        told = []
        waits = threading.Thread(target=lambda: told.append(
            port.call("TaskService/AwaitTask", {"Connect-Timeout-Ms": "60000"},
                      taskId=result["taskId"], timeoutMs="60000")))
        waits.start()

        def awaited():
            return b"\ntreadle_awaited_tasks 1\n" in port.ask("GET", "/metrics")[2]

        wait_until(awaited, "the call to wait")
        begun = time.monotonic()
        self.assertEqual(broker.terminate(), 0)
        self.assertLess(time.monotonic() - begun, 30)
        waits.join()
        self.assertEqual((told[0][0], told[0][1]["code"]), (503, "unavailable"))

    def test_the_dashboards_files(self):
        _, port = self.port("--dashboard-actions")
        status, headers, body = port.ask("GET", "/queues/mail")
        if headers["Content-Type"].startswith("text/plain"):
            self.skipTest("built with TREADLE_DASHBOARD=OFF")
        self.assertEqual(status, 200)
        self.assertIn(b'<meta name="treadle-actions" content="on">', body)
        self.assertIn("script-src 'self'", headers["Content-Security-Policy"])
        packed = {"Accept-Encoding": "gzip"}
        for path, kind in (("/app.js", "text/javascript"), ("/app.css", "text/css")):
            status, headers, body = port.ask("GET", path, headers=packed)
            self.assertEqual(status, 200, path)
            self.assertIn(kind, headers["Content-Type"])
            self.assertTrue(gzip.decompress(body))
            known = {**packed, "If-None-Match": headers["ETag"]}
            self.assertEqual(port.ask("GET", path, headers=known)[0], 304)
        self.assertEqual(port.ask("GET", "/app.js")[0], 406)
        self.assertEqual(port.ask("GET", "/nothing.js", headers=packed)[0], 404)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        broker, _ = self.port()
        ran = subprocess.run(
            ["curl", "-sS", "-H", "Content-Type: application/json", "-d", "{}",
             f"http://{broker.http}/treadle.v1.AdminService/GetServerInfo"],
            capture_output=True, text=True, timeout=processes.LIMIT_S, check=True)
        self.assertEqual(json.loads(ran.stdout)["server"]["store"], "rocksdb")


if __name__ == "__main__":
    unittest.main()
