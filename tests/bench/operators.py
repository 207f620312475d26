#!/usr/bin/env python3
"""Measures what operators' tools cost a broker with many queues, queued tasks and dead letters.

"pages" has a headless browser load each page of the dashboard, and then makes the same calls from
here: a call's time is from its request to the last byte of its answer. "rate" is from end to end,
as run.py measures it, in turn without anybody, with a client that makes the calls of open pages at
their times, and with three browsers that show these pages: the overview, the queues and the tasks,
each asked for again every second. Browsers compute a lot, here on the broker's own machine, and
elsewhere on their users'. The share lost is the mean of the rounds, and what stands behind +- is
its standard error. The broker's own processor time for the same calls is measured while nothing
else is done. "redrive" has a job submit all dead letters again, while lone tasks make their round
trip. Of times the worst is judged, of round trips the 99th percentile; the median stands beside it.

It wants Chromium and Node.
"""

import argparse
from concurrent import futures
import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

import run
from processes import BIN

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = os.environ.get("NODE_PATH", BIN.parent / "tests/dashboard/npm")
BROWSERS = 3
OPEN_PAGES = ("/", "/queues", "/tasks")
PAGE_MS, LOST, LONE_P99_MS = 100, 0.02, 20  # the bars
DEAD_QUEUE = "dead"
# Those of the broker's bounds that what is measured goes beyond.
FLAGS = ("--queues-max=1000000", "--dead-letters-max=100000000", "--dead-letter-bytes-max=64GiB")


@dataclasses.dataclass
class Size:
    """How much is measured; `seconds` and `trips` as run.py has them."""

    queues: int = 10_000
    queued: int = 1_000_000
    dead: int = 1_000_000
    seconds: float = 10  # of each rate
    rounds: int = 5
    repeats: int = 20  # of each page's calls
    visits: int = 5  # of each page, by a browser
    trips: int = 3000  # of lone tasks, while nothing else is done


QUICK = Size(queues=200, queued=5_000, dead=5_000, seconds=2, rounds=2, repeats=5, visits=2,
             trips=300)


class Browsers:
    """browsers.mjs, and what it answers."""

    def __init__(self, address):
        self.process = subprocess.Popen(
            ["node", HERE / "browsers.mjs", address, str(BROWSERS)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": str(PACKAGES)})

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"operators.py: browsers.mjs ended with {self.process.wait()}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


class Caller:
    """Makes calls as a browser did, on a connection that it keeps."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def call(self, call):
        """How long it took in ms."""
        headers = {**call["headers"], "accept-encoding": "gzip, deflate"}
        begun = time.perf_counter()
        self.connection.request("POST", call["url"], call["body"], headers)
        response = self.connection.getresponse()
        response.read()
        took_ms = (time.perf_counter() - begun) * 1e3
        if response.status != 200:
            raise SystemExit(f"operators.py: {call['url']} was answered with {response.status}")
        return took_ms


class LightClient:
    """Makes the calls of open pages at their times, those of each page on a connection of its own,
    again and again."""

    def __init__(self, address, calls, lap_s):
        self.calls = {page: [call for call in calls if call["page"] == page]
                      for page in range(BROWSERS)}
        self.address, self.lap_s = address, lap_s
        self.stopped = threading.Event()
        self.made = 0
        self.threads = futures.ThreadPoolExecutor(BROWSERS)
        self.running = []

    def run(self, calls):
        caller = Caller(self.address)
        begun = time.monotonic()
        for lap in itertools.count():
            for call in calls:
                due = begun + lap * self.lap_s + call["atMs"] / 1e3
                if self.stopped.wait(max(0, due - time.monotonic())):
                    return
                caller.call(call)
                self.made += 1

    def __enter__(self):
        self.running = [self.threads.submit(self.run, calls) for calls in self.calls.values()
                        if calls]
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for each in self.running:
            each.result()  # or what went wrong in it
        self.threads.shutdown()


class Operators:
    """A broker that is full, and what is measured of it."""

    def __init__(self, bench, store, broker):
        self.bench, self.size = bench, bench.size
        self.store, self.broker = store, broker

    def client(self, mode, *fields):
        return self.bench.client(self.broker, self.store, mode, *fields)

    def treadle(self, *words):
        return json.loads(subprocess.run(
            [BIN / "treadle", f"--broker={self.broker.address}", *words, "-o", "json"],
            check=True, text=True, stdout=subprocess.PIPE).stdout)

    def fill(self):
        begun = time.monotonic()
        self.client("spread", "tenant-", self.size.queues, self.size.queued)
        with self.bench.worker(self.broker, DEAD_QUEUE):
            self.client("dead", DEAD_QUEUE, self.size.dead)
        server = self.treadle("server", "show")
        dead = self.treadle("queue", "show", DEAD_QUEUE)["stats"]["dead_letters"]
        print(f"{self.store[0]}: {server['queues']:,} queues, {server['unfinished_tasks']:,} "
              f"unfinished tasks and {dead:,} dead letters, made in "
              f"{time.monotonic() - begun:.0f} s", flush=True)
        if dead < self.size.dead:
            raise SystemExit("operators.py: dead letters are missing")

    def addresses(self):
        """Of all pages, those included that show one thing."""
        task = self.treadle("task", "list", "queue:tenant-0", "--limit=1")[0]["task_id"]
        group = self.treadle("dead", "groups", DEAD_QUEUE)[0]["group"]
        worker = self.treadle("worker", "list")[0]["worker_id"]

        def found(query):
            return "/tasks?q=" + urllib.parse.quote(query)

        return {
            "the overview": "/",
            "queues": "/queues",
            "a queue": "/queues/tenant-0",
            "tasks": "/tasks",
            "a search that finds some": found("state:queued queue:tenant-0"),
            "a search that finds none": found("state:failed type:nothing"),
            "a task": f"/tasks/{task}",
            "dead letters": "/dead",
            "a group of dead letters": f"/dead/{DEAD_QUEUE}/{group}",
            "all dead letters of a queue": f"/dead/{DEAD_QUEUE}/all",
            "workers": "/workers",
            "a worker": f"/workers/{worker}",
            "the system": "/system",
        }

    def pages(self, browsers):
        for name, path in self.addresses().items():
            visits = browsers.ask(visit=path, times=self.size.visits)
            caller = Caller(self.broker.http)
            calls = visits[-1]["calls"]
            times = [[caller.call(call) for call in calls] for _ in range(self.size.repeats)]
            by_call = list(zip(*times))
            slowest = max(range(len(calls)), key=lambda i: statistics.median(by_call[i]))
            worst = max(max(took) for took in times)
            median = statistics.median(by_call[slowest])
            self.bench.add(f"{name}: {len(calls)} calls, the worst", f"{worst:.1f} ms",
                           f"{median:.1f} ms", f"{PAGE_MS} ms", worst <= PAGE_MS, path=path,
                           slowest=calls[slowest]["url"], worst_ms=worst, median_ms=median,
                           calls=[{"url": call["url"], "body": call["body"], "ms": took}
                                  for call, took in zip(calls, by_call)])
            total = [sum(took) for took in times]
            self.bench.add("  all of them, one after the other", f"{max(total):.1f} ms",
                           f"{statistics.median(total):.1f} ms", "", True, total_ms=total)
            shown = [visit["shownMs"] for visit in visits]
            self.bench.add("  in a browser, until it is shown", f"{max(shown):.0f} ms",
                           f"{statistics.median(shown):.0f} ms", "", True, shown_ms=shown)

    def rate(self):
        tasks, seconds, _ = self.client("rate", 1000, 50_000, self.size.seconds, 100)
        return tasks / seconds

    def open_pages(self, browsers):
        """The calls of the pages that are open, for as long as a rate is measured."""
        browsers.ask(open=OPEN_PAGES)
        time.sleep(self.size.seconds)
        return browsers.ask(close=True)

    def own_time(self, calls):
        """The broker's processor time for open pages, while nothing else is done but what its
        store does by itself."""
        def used(asked):
            """A second, and how many calls were made."""
            before = run.cpu_s(self.broker)
            with LightClient(self.broker.http, asked, self.size.seconds) as light:
                time.sleep(self.size.seconds)
            return (run.cpu_s(self.broker) - before) / self.size.seconds, light.made

        before, (cpu, made), after = used([]), used(calls), used([])
        idle = (before[0] + after[0]) / 2
        own = max(0, cpu - idle)
        share = own / os.cpu_count()
        self.bench.add(f"the broker's own time for open pages, {self.store[0]}",
                       f"{own * 1e3:.0f} ms a second", f"{share:.1%}",
                       f"{LOST:.0%} of {os.cpu_count()} CPUs", share <= LOST, share=share, cpu=cpu,
                       idle=idle, calls_a_second=made / self.size.seconds)

    def rates(self, browsers, calls):
        def light():
            with LightClient(self.broker.http, calls, self.size.seconds) as client:
                rate = self.rate()
            made["light"].append(client.made)
            return rate

        def shown():
            browsers.ask(open=OPEN_PAGES)
            rate = self.rate()
            made["browsers"].append(len(browsers.ask(close=True)))
            return rate

        ways = [self.rate, light, shown]
        made = {"light": [], "browsers": []}
        rates = {way: [] for way in ways}
        self.rate()
        for _ in range(self.size.rounds):
            for way in ways:
                rates[way].append(way())
            ways.append(ways.pop(0))  # none is always the first
        bare = rates[self.rate]
        for way, name, of in ((light, "the same calls, no browser", made["light"]),
                              (shown, f"{BROWSERS} browsers", made["browsers"])):
            lost = [1 - with_it / without for with_it, without in zip(rates[way], bare)]
            mean = statistics.mean(lost)
            error = statistics.stdev(lost) / len(lost) ** 0.5
            self.bench.add(
                f"rate lost to {name}, {self.store[0]}",
                f"of {run.rate_text(statistics.median(bare))}", f"{mean:.1%}",
                f"{LOST:.0%} (+-{error:.1%})", mean <= LOST, lost=lost, mean=mean, error=error,
                without=bare, calls=of)

    def redrive(self):
        median, p99, slowest, _ = self.client("lone", self.size.trips, 1)
        self.bench.add(f"a lone round trip, {self.store[0]}, 99th percentile",
                       f"{p99 / 1e3:.1f} ms", f"{median / 1e3:.1f} ms", "", True, median_us=median,
                       p99_us=p99, slowest_us=slowest)
        done, seconds, trips, median, p99, slowest = self.client("redrive", DEAD_QUEUE, 1)
        self.bench.add(f"  while {done:,.0f} dead letters are redriven", f"{p99 / 1e3:.1f} ms",
                       f"{median / 1e3:.1f} ms", f"{LONE_P99_MS} ms", p99 <= LONE_P99_MS * 1e3,
                       median_us=median, p99_us=p99, slowest_us=slowest, trips=trips)
        rate = f"{run.rate_text(done / seconds)}" if seconds else ""
        self.bench.add("  which took", f"{seconds:.1f} s", rate, "", done >= self.size.dead,
                       seconds=seconds, done=done)


@contextlib.contextmanager
def full(bench, store):
    """A broker with all of it, and a worker that serves what is measured."""
    with bench.broker(store, *FLAGS, http="127.0.0.1:0") as broker:
        operators = Operators(bench, store, broker)
        operators.fill()
        with bench.worker(broker):
            yield operators


def measure(bench, only):
    wanted = only or MEASURES
    for store in (run.SYNCED, run.MEMORY):
        # What is no rate is measured with the store that outlives the broker.
        if store is run.MEMORY and "rate" not in wanted:
            continue
        with full(bench, store) as operators, Browsers(operators.broker.http) as browsers:
            if store is run.SYNCED and "pages" in wanted:
                operators.pages(browsers)
            if "rate" in wanted:
                calls = operators.open_pages(browsers)
                operators.own_time(calls)
                operators.rates(browsers, calls)
            if store is run.SYNCED and "redrive" in wanted:
                operators.redrive()


MEASURES = ("pages", "rate", "redrive")


def parse():
    parser = argparse.ArgumentParser(
        prog="run.sh operators", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="small sizes, two minutes: a look, no figures to quote")
    for field in dataclasses.fields(Size):
        parser.add_argument(f"--{field.name}", type=field.type, metavar="N",
                            help=f"default {field.default:,}, --quick "
                                 f"{getattr(QUICK, field.name):,}")
    parser.add_argument("--only", action="append", choices=MEASURES,
                        help="one or more of these")
    parser.add_argument("--data", default="build", metavar="FOLDER",
                        help="on the disk to be measured; default: build")
    parser.add_argument("--json", metavar="FILE", help="the figures, with all that they rest on")
    flags = parser.parse_args()
    if not (pathlib.Path(PACKAGES) / "node_modules").is_dir():
        parser.error(f"no packages in {PACKAGES}: tests/support/npm_install.sh tests/dashboard "
                     f"{PACKAGES}")
    given = {field.name: getattr(flags, field.name) for field in dataclasses.fields(Size)
             if getattr(flags, field.name) is not None}
    if any(number <= 0 for number in given.values()) or given.get("rounds", 2) < 2:
        parser.error("numbers are above 0, and rounds above 1")
    return flags, dataclasses.replace(QUICK if flags.quick else Size(), **given)


def main():
    flags, size = parse()
    begun = time.monotonic()
    print(run.machine())
    print(f"  {'':<46} {'measured':>22} {'or median':>9}   {'bar':<14}")
    pathlib.Path(flags.data).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=flags.data) as folder:
        bench = run.Bench(size, folder)
        measure(bench, flags.only)
    run.finish(bench, begun, flags.json)


if __name__ == "__main__":
    main()
