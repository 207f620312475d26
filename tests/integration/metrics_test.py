#!/usr/bin/env python3
"""What is told over HTTP: to promtool, Prometheus, and the queries of dashboard and alerts."""

import http.client
import json
import math
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

import api
import processes
from processes import http_get, wait_until
from scenario import Scenario

TREE = pathlib.Path(processes.HERE).parents[1]
RULES = TREE / "deploy/prometheus/alerts.yml"
SAMPLE = TREE / "deploy/prometheus/prometheus.yml"
DASHBOARD = TREE / "deploy/grafana/treadle.json"

# What Grafana puts in the place of its variables. Scrapes are a second apart.
VARIABLES = {"$__rate_interval": "20s", "$instance": ".*", "$queue": ".*"}
SCRAPES = 5

promtool_is_here = unittest.skipUnless(
    shutil.which("promtool") and shutil.which("prometheus"),
    "Prometheus is not installed: deploy/install-packages.sh does that",
)


def promtool(*words, text=None):
    """Its exit code and what it said."""
    ran = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, text=True,
                         timeout=processes.LIMIT_S, check=False)
    return ran.returncode, ran.stdout + ran.stderr


class Prometheus(processes.Process):
    """Debian's, on a free port of 127.0.0.1, over the sample's configuration."""

    def __init__(self, folder, broker):
        config = SAMPLE.read_text()
        for old, new in (("127.0.0.1:7734", broker.http), ("interval: 15s", "interval: 1s"),
                         ("alerts.yml\n", f"{RULES}\n")):
            assert old in config, old
            config = config.replace(old, new)
        path = pathlib.Path(folder) / "prometheus.yml"
        path.write_text(config)
        super().__init__(folder, "prometheus", [
            "prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/prometheus",
            "--web.listen-address=127.0.0.1:0"])
        self.address = None

    def start(self):
        super().start()

        def listens():
            if not self.running():
                raise AssertionError(f"Prometheus ended:\n{self.tail()}")
            return re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', self.output())

        self.address = wait_until(listens, "Prometheus to listen")[1]
        wait_until(lambda: http_get(self.address, "/-/ready")[0] == 200, "Prometheus to be ready")
        return self

    def ask(self, path, **parameters):
        """The API's answer; an error is a failure."""
        query = urllib.parse.urlencode(parameters)
        status, body = http_get(self.address, f"/api/v1/{path}?{query}")
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise AssertionError(f"{path} {parameters}: {body}")
        return answer["data"]

    def values(self, expression):
        """Of the samples that are numbers."""
        samples = self.ask("query", query=expression)["result"]
        found = [float(sample["value"][1]) for sample in samples]
        return [value for value in found if not math.isnan(value)]


class Load:
    """Tasks of all kinds, again and again, until the end of the `with`."""

    def __init__(self, scenario, broker):
        self.connection = scenario.connect(broker)
        self.error = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.connection.submit(api.task.TaskSpec(queue="unserved", type="nobody", payload=b"12345"))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.error is not None:
            raise self.error

    def run(self):
        retry = api.task.RetryPolicy(initial_delay_ms=10, max_delay_ms=10)
        try:
            while not self.stop.is_set():
                self.connection.submit(
                    *(api.exec_spec(["/bin/true"], queue=queue) for queue in ("a", "b", "c", "d")),
                    api.exec_spec(["/bin/false"], queue="a", max_attempts=2, retry=retry))
                self.stop.wait(0.02)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


class Metrics(Scenario):
    def watched(self, *flags, **options):
        return self.broker(*flags, http="127.0.0.1:0", **options)

    def scrape(self, broker):
        status, text = http_get(broker.http, "/metrics")
        self.assertEqual(status, 200)
        return text

    def loaded(self):
        """A broker that counts few queues apart, and workers."""
        broker = self.watched("--counted-queues=3")
        self.worker(broker.address, "--allow-exec=/bin/true", "--allow-exec=/bin/false",
                    queues=("a", "b", "c", "d"))
        return broker

    @promtool_is_here
    def test_prometheus_scrapes_a_broker_under_load(self):
        broker = self.loaded()
        prometheus = self.own(Prometheus(self.folder, broker)).start()
        with Load(self, broker):
            scraped = 'count_over_time(up{job="treadle"}[10m]) '
            wait_until(lambda: prometheus.values(f"{scraped} >= {SCRAPES}"), "scrapes")
            self.assertEqual(prometheus.values('min_over_time(up{job="treadle"}[10m])'), [1])
            self.dashboard_has_data(prometheus)
            self.alerts_are_evaluated(prometheus)
        prometheus.terminate()

    def dashboard_has_data(self, prometheus):
        dashboard = json.loads(DASHBOARD.read_text())
        expressions = [(panel["title"], target["expr"]) for panel in dashboard["panels"]
                       for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 50)
        for title, expression in expressions:
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            self.assertNotIn("$", expression)
            wait_until(lambda query=expression: prometheus.values(query), f"{title}: {expression}")
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            selector = match[1].replace("$instance", ".*")
            values = prometheus.ask(f"label/{match[2]}/values", **{"match[]": selector})
            self.assertTrue(values, variable["name"])

    def alerts_are_evaluated(self, prometheus):
        def rules():
            groups = prometheus.ask("rules", type="alert")["groups"]
            found = [rule for group in groups for rule in group["rules"]]
            return all(rule["health"] != "unknown" for rule in found) and found

        found = wait_until(rules, "the rules' evaluation")
        self.assertGreater(len(found), 10)
        for rule in found:
            self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])
            for note in ("summary", "description"):
                self.assertTrue(rule["annotations"][note], rule["name"])
            prometheus.values(rule["query"])
        # One has something to tell: it waits until that has been so for a while.
        nobody = "TreadleNobodyRunsAType"
        pending = f'ALERTS{{alertname="{nobody}", queue="unserved", alertstate="pending"}}'
        self.assertEqual(wait_until(lambda: prometheus.values(pending), nobody), [1])

    @promtool_is_here
    def test_promtool_finds_nothing(self):
        broker = self.loaded()
        with Load(self, broker):
            wait_until(lambda: re.search(r'running_seconds_count\{queue="\(others\)"\}',
                                         self.scrape(broker)), "tasks of other queues to end")
            self.assertEqual(promtool("check", "metrics", text=self.scrape(broker)), (0, ""))
        self.assertEqual(promtool("check", "rules", RULES)[0], 0)
        self.assertEqual(promtool("check", "config", SAMPLE)[0], 0)
        code, said = promtool("test", "rules", processes.HERE / "alerts_test.yml")
        self.assertEqual(code, 0, said)

    def test_the_page_has_every_metric_and_no_other(self):
        broker = self.loaded()
        with Load(self, broker):
            wait_until(lambda: "treadle_task_running_seconds_count" in self.scrape(broker),
                       "tasks to end")
            text = self.scrape(broker)
        told = {}
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
            first = re.search(rf"^{name}(?:_count)?(?:\{{(.*)\}})? ", text, re.M)
            labels = re.findall(r'(\w+)="', first[1] or "")
            told[name] = (kind, ", ".join(labels))
        page = (TREE / "server/README.md").read_text()
        row = r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([\w, ]*) ?\| \S"
        rows = re.findall(row, page, re.M)
        written = {name: (kind, labels.strip()) for name, kind, labels in rows}
        self.assertEqual(written, told)

    def test_a_thousand_queues_have_names_and_ten_thousand_are_counted(self):
        broker = self.watched("--queues-max=20000")
        connection = self.connect(broker)
        for first in range(0, 10_000, 1_000):
            connection.submit(*(api.task.TaskSpec(queue=f"queue-{i:05}", type="a")
                                for i in range(first, first + 1_000)))
        begun = time.monotonic()
        text = self.scrape(broker)
        took_s = time.monotonic() - begun
        print(f"a scrape of 10,000 queues: {took_s * 1e3:.0f} ms, {len(text) >> 10} KiB")
        own = re.findall(r'^treadle_queue_tasks\{queue="queue-\d+",state="queued"\} 1$', text, re.M)
        self.assertEqual(len(own), 1_000)
        self.assertIn('\ntreadle_queue_tasks{queue="(others)",state="queued"} 9000\n', text)
        self.assertIn('\ntreadle_tasks_submitted_total{queue="(others)"} 9000\n', text)
        self.assertIn("\ntreadle_other_queues 9000\n", text)

        # Who asks the broker meanwhile waits for a piece of a scrape at most, not for all of it.
        stop = threading.Event()

        def scrape():
            while not stop.is_set():
                self.scrape(broker)

        scraper = threading.Thread(target=scrape)
        scraper.start()
        waits = []
        for _ in range(200):
            begun = time.monotonic()
            connection.info()
            waits.append(time.monotonic() - begun)
        stop.set()
        scraper.join()
        waits.sort()
        print(f"who asks meanwhile waits {1e3 * waits[100]:.1f} ms, "
              f"{1e3 * waits[198]:.1f} ms at the 99th percentile")
        self.assertLess(waits[100], 0.5)

    def test_a_flood_of_connections_disturbs_nobody(self):
        broker = self.watched("--http-connections=8")
        host, port = broker.http.split(":")
        begun = [socket.create_connection((host, int(port)), timeout=processes.LIMIT_S)
                 for _ in range(50)]
        for number, one in enumerate(begun):
            one.sendall((b"GET /metrics HT", b"\x16\x03\x01\x02", b"")[number % 3])
        connection = self.connect(broker)
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        (task,) = connection.lease(["q"])
        connection.complete(task)
        self.assertEqual(connection.outcome(name).state, api.task.TASK_STATE_SUCCEEDED)
        for one in begun:
            one.close()

        def ready():
            try:
                return http_get(broker.http, "/readyz") == (200, "ready\n")
            except (OSError, http.client.HTTPException):
                return False  # refused: the connections before are still being ended

        wait_until(ready, "room again")
        self.assertEqual(broker.terminate(), 0, broker.tail())

    def test_a_process_that_stands_still_is_not_alive(self):
        broker = self.watched()
        self.assertEqual(http_get(broker.http, "/healthz"), (200, "ok\n"))
        self.assertEqual(http_get(broker.http, "/readyz"), (200, "ready\n"))
        broker.pause()
        # Its port takes the connection, and nobody answers: who watches it gives it up.
        connection = http.client.HTTPConnection(broker.http, timeout=1)
        connection.request("GET", "/healthz")
        with self.assertRaises(TimeoutError):
            connection.getresponse()
        connection.close()
        broker.resume()
        self.assertEqual(http_get(broker.http, "/healthz"), (200, "ok\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
