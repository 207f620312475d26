#!/usr/bin/env python3
"""Measures Treadle against its bars: each figure beside what it shall be, as a share of what bare
gRPC streams between three processes reach in the same run (tests/bench/ceiling), or of the disk.

Broker, one worker that does nothing and one client, which are users' programs over the public
libraries, run on this machine. All figures are of payloads of 100 bytes unless they say otherwise.
"SYNCED" is RocksDB with each submit and outcome on disk before it is acknowledged.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from processes import BIN, Broker, Process, wait_until  # noqa: E402  (after the path)

MEMORY = ("memory", ["--store=memory"])
SYNCED = ("synced", ["--store=rocksdb"])
# None of the broker's bounds shall be what is measured.
WIDE = ["--queue-max-tasks=100000000", "--queue-max-bytes=64GiB",
        "--unfinished-tasks-max=100000000", "--memory-store-max=16GiB"]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass
class Size:
    """How much is measured."""

    seconds: float
    trips: int
    backlog: int
    workers: int
    clients: int
    scheduled: int


FULL = Size(seconds=60, trips=3000, backlog=10_000_000, workers=5000, clients=2000,
            scheduled=100_000)
QUICK = Size(seconds=2, trips=300, backlog=200_000, workers=200, clients=200, scheduled=10_000)


@dataclasses.dataclass
class Row:
    name: str
    figure: str
    share: str  # in the bar's unit
    bar: str
    met: bool
    values: dict


def cpu_s(process):
    """CPU seconds that it has used."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(process):
    return int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE


def rate_text(rate):
    return f"{rate / 1e6:.2f} M/s" if rate >= 1e6 else f"{rate / 1e3:.1f} k/s"


class Bench:
    """Starts what is measured, and keeps what several measures need."""

    def __init__(self, size, folder):
        self.size = size
        self.folder = pathlib.Path(folder)
        self.rows = []
        self._known = {}

    def add(self, name, figure, share_text, bar, met, **values):
        self.rows.append(Row(name, figure, share_text, bar, met, values))
        print(f"  {name:<46} {figure:>22} {share_text:>9}   {bar:<14} {'' if met else 'below'}",
              flush=True)

    def once(self, name, measure):
        """What `measure` gave the first time."""
        if name not in self._known:
            self._known[name] = measure()
        return self._known[name]

    def program(self, name, *arguments):
        """Its numbers, from a program that ends."""
        command = [str(BIN / name), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            raise SystemExit(f"run.py: {' '.join(command)} ended with {done.returncode}:\n"
                             + done.stderr)
        return [float(word) for word in done.stdout.split()]

    @contextlib.contextmanager
    def process(self, name, *command):
        process = Process(self.folder, name, command)
        process.log.unlink(missing_ok=True)
        process.start()
        try:
            yield process
        finally:
            process.kill()

    @contextlib.contextmanager
    def relay(self, way):
        """The ceiling's and its worker, and its address."""
        with self.process("relay", BIN / "ceiling_relay", "server", way, "127.0.0.1:0") as relay:
            address = wait_until(lambda: relay.output().strip(), "the relay")
            with self.process("relay-worker", BIN / "ceiling_relay", "worker", way,
                              address) as worker:
                yield relay, worker, address

    def ceiling(self, batch, payload=100):
        """Tasks per second in columns."""
        def measure():
            with self.relay("columns") as (_, _, address):
                return self.program("ceiling_relay", "client", "columns", address, batch, 50_000,
                                    min(self.size.seconds, 5), payload)[0]
        return self.once(f"ceiling {batch} {payload}", measure)

    def round_trip_us(self):
        """The ceiling's, with a message for each task."""
        def measure():
            with self.relay("rows") as (_, _, address):
                return self.program("ceiling_relay", "ping", "rows", address, self.size.trips)[0]
        return self.once("round trip", measure)

    def disk(self):
        """Of the folder's disk: us for 400 bytes to be synced, bytes a second in a row."""
        def measure():
            path = self.folder / "disk"
            file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            syncs = []
            for _ in range(200):
                begun = time.perf_counter()
                os.write(file, bytes(400))
                os.fdatasync(file)
                syncs.append((time.perf_counter() - begun) * 1e6)
            piece = os.urandom(1 << 20)
            begun = time.perf_counter()
            pieces = 512
            for i in range(pieces):
                os.write(file, piece)
                if i % 16 == 15:
                    os.fdatasync(file)
            rate = pieces * len(piece) / (time.perf_counter() - begun)
            os.close(file)
            path.unlink()
            return statistics.median(syncs), rate
        return self.once("disk", measure)

    @contextlib.contextmanager
    def broker(self, store, *flags, http=""):
        with tempfile.TemporaryDirectory(dir=self.folder) as data:
            broker = Broker(self.folder, "--log-level=warn", *store[1], *WIDE, *flags,
                            data=f"{data}/data", http=http)
            broker.start()
            try:
                yield broker
            finally:
                broker.kill()

    @contextlib.contextmanager
    def worker(self, broker, *queues):
        """Of these queues; of "bench" without any, and then it has run a task."""
        served = queues or ("bench",)
        with self.process("worker", BIN / "bench_worker", broker.address, *served) as worker:
            if not queues:
                self.client(broker, MEMORY, "lone", 1, 0)
            yield worker

    def client(self, broker, store, mode, *fields):
        return self.program("bench_client", mode, broker.address, store[0], *fields)

    def rate(self, store, batch, payload=100, window=50_000):
        """Tasks per second from end to end, and each process's CPU us for one."""
        def measure():
            with self.broker(store) as broker, self.worker(broker) as worker:
                self.client(broker, store, "rate", batch, window, 1, payload)
                before = cpu_s(broker), cpu_s(worker)
                tasks, seconds, client_cpu = self.client(broker, store, "rate", batch, window,
                                                         self.size.seconds, payload)
                cpu = (client_cpu, cpu_s(broker) - before[0], cpu_s(worker) - before[1])
                return tasks / seconds, [used / tasks * 1e6 for used in cpu]
        return self.once(f"rate {store[0]} {batch} {payload}", measure)


def end_to_end(bench):
    for store, share_bar in ((MEMORY, 0.22), (SYNCED, 0.15)):
        rate, cpu = bench.rate(store, 1000)
        share = rate / bench.ceiling(1000)
        bench.add(f"end to end, {store[0]}, 1,000 at a time", rate_text(rate), f"{share:.1%}",
                  f"{share_bar:.0%} of C", share >= share_bar, rate=rate, share=share,
                  ceiling=bench.ceiling(1000), cpu_us=cpu)
    # As many bytes under way as 50,000 small tasks have.
    rate, cpu = bench.rate(SYNCED, 1000, payload=10_000, window=4_000)
    ceiling = bench.ceiling(1000, 10_000)
    disk = bench.disk()[1] / 10_000
    share = rate / min(ceiling, disk)
    of = "C" if ceiling < disk else "the disk"
    bench.add("the same, synced, 10 kB", f"{rate * 1e4 / 1e6:.0f} MB/s", f"{share:.1%}",
              f"60% of {of}", share >= 0.6, rate=rate, share=share, ceiling=ceiling,
              disk=disk, cpu_us=cpu)


def enqueue(bench):
    with bench.broker(SYNCED) as broker:
        tasks, seconds = bench.client(broker, SYNCED, "enqueue", 1, bench.size.seconds)
    together = tasks / seconds
    share = together / bench.ceiling(1000)
    bench.add("enqueue alone, synced, 1,000 at a time", rate_text(together), f"{share:.1%}",
              "30% of C", share >= 0.3, rate=together, share=share)
    with bench.broker(SYNCED) as broker:
        tasks, seconds = bench.client(broker, SYNCED, "enqueue", 16, bench.size.seconds)
    share = tasks / seconds / together
    bench.add("the same, 16 threads, one at a time", rate_text(tasks / seconds), f"{share:.1%}",
              "60% of that", share >= 0.6, rate=tasks / seconds, share=share)


def crowd(bench):
    one, _ = bench.rate(SYNCED, 1000)
    with bench.broker(SYNCED) as broker, bench.worker(broker):
        rate, median, slowest = bench.client(broker, SYNCED, "crowd", 100, 100,
                                             bench.size.seconds)
    bench.add("100 clients, 100 tasks of each, synced", rate_text(rate), f"{rate / one:.1%}",
              "50% of one's", rate >= one / 2, rate=rate, share=rate / one)
    share = slowest / median
    bench.add("the slowest of them", rate_text(slowest), f"{share:.1%}", "33% of median",
              share >= 1 / 3, share=share)


def lone(bench):
    trips = {}
    for store in (MEMORY, SYNCED):
        with bench.broker(store) as broker, bench.worker(broker) as worker:
            bench.client(broker, store, "lone", 100, 0)
            before = cpu_s(broker) + cpu_s(worker)
            median, p99, slowest, cpu = bench.client(broker, store, "lone", bench.size.trips, 0)
            cpu += (cpu_s(broker) + cpu_s(worker) - before) * 1e6 / bench.size.trips
            trips[store[0]] = median
        base = (1.4 * bench.round_trip_us() if store is MEMORY
                else 1.2 * (trips["memory"] + 2 * bench.disk()[0]))
        bench.add(f"a lone round trip, {store[0]}, median", f"{median:.0f} us",
                  f"{median / base:.2f}", f"1 = {base:.0f} us", median <= base, median_us=median,
                  p99_us=p99, slowest_us=slowest, bar_us=base)
        if store is MEMORY:
            bench.add("its CPU in all three processes", f"{cpu:.0f} us", "", "200 us", cpu <= 200,
                      cpu_us=cpu)


def paced(bench):
    for store, bar_ms in ((MEMORY, 5), (SYNCED, 10)):
        peak, _ = bench.rate(store, 1000)
        with bench.broker(store) as broker, bench.worker(broker):
            _, p99, slowest = bench.client(broker, store, "paced", int(peak / 2),
                                           bench.size.seconds)
        bench.add(f"99th percentile at half the peak, {store[0]}", f"{p99 / 1e3:.1f} ms", "",
                  f"{bar_ms} ms", p99 <= bar_ms * 1e3, p99_us=p99)
        bench.add("the slowest of them", f"{slowest / 1e3:.1f} ms", "", "50 ms", slowest <= 50e3,
                  slowest_us=slowest)


def memory(bench):
    for batch, bar in ((1000, 16), (1, 120)):
        count = bench.size.backlog
        with bench.broker(SYNCED, "--payload-cache=0") as broker:
            bench.client(broker, SYNCED, "fill", "unserved", count // 5, batch, 0)
            before = memory_bytes(broker)
            bench.client(broker, SYNCED, "fill", "unserved", count - count // 5, batch, 0)
            each = (memory_bytes(broker) - before) / (count - count // 5)
        how = "in runs of 1,000" if batch > 1 else "each alone"
        bench.add(f"memory for a queued task, {how}", f"{each:.0f} B", "", f"{bar} B", each <= bar,
                  bytes=each, tasks=count)


def backlog(bench):
    count = bench.size.backlog
    rates = {}
    for discipline, priorities in (("fifo", 0), ("lifo", 0), ("priority", 8)):
        with bench.broker(SYNCED) as broker:
            subprocess.run([str(BIN / "treadle"), f"--broker={broker.address}", "queue", "create",
                            "bench", f"--discipline={discipline}"], check=True,
                           stdout=subprocess.DEVNULL)
            flow = ("flow", "bench", bench.size.seconds, priorities)
            with bench.worker(broker):
                none, = bench.client(broker, SYNCED, *flow)
            bench.client(broker, SYNCED, "fill", "bench", count, 1000, priorities)
            with bench.worker(broker, "bench"):
                full, = bench.client(broker, SYNCED, *flow)
        rates[discipline] = none
        bench.add(f"rate with {count:,} queued, {discipline}", rate_text(full),
                  f"{full / none:.2f}", "0.9 of without", full >= 0.9 * none, rate=full,
                  without=none)
    with bench.broker(SYNCED) as broker:
        bench.client(broker, SYNCED, "fill", "bench", count, 1000, 0)
        broker.restart()
        with bench.worker(broker, "bench"):
            seconds, = bench.client(broker, SYNCED, "drain", "bench", count)
    rate = count / seconds
    share = rate / rates["fifo"]
    bench.add("drained after a restart, fifo", rate_text(rate), f"{share:.2f}", "0.8 of without",
              share >= 0.8, rate=rate, without=rates["fifo"])


def restart(bench):
    with bench.broker(SYNCED) as broker:
        begun = time.monotonic()
        broker.restart()
        empty = time.monotonic() - begun
        bench.add("start of an empty broker", f"{empty * 1e3:.0f} ms", "", "100 ms", empty <= 0.1,
                  seconds=empty)
        count = bench.size.backlog
        bench.client(broker, SYNCED, "fill", "unserved", count, 1000, 0)
        bench.client(broker, SYNCED, "fill", "bench", count, 1000, 0)
        with bench.worker(broker, "bench"):
            bench.client(broker, SYNCED, "drain", "bench", count)
        begun = time.monotonic()
        broker.restart()
        seconds = time.monotonic() - begun
        bench.add(f"kill -9, {count:,} queued, as many ended", f"{seconds:.1f} s", "", "3 s",
                  seconds <= 3, seconds=seconds, tasks=count)


def idle(bench):
    for what, count in (("workers", bench.size.workers), ("clients", bench.size.clients)):
        with bench.broker(MEMORY) as broker:
            before = memory_bytes(broker)
            with bench.process("peers", BIN / "bench_peers", what, broker.address, count) as peers:
                wait_until(lambda: "ready" in peers.output() or not peers.running(), "the peers")
                if not peers.running():
                    raise SystemExit(f"run.py: {peers.output()}")
                each = (memory_bytes(broker) - before) / count
                used = cpu_s(broker)
                pause = max(2, bench.size.seconds / 3)
                time.sleep(pause)
                share = (cpu_s(broker) - used) / pause
        bench.add(f"{count:,} idle {what}", f"{each / 1e3:.0f} kB each", "", "50 kB",
                  each <= 50e3, bytes=each, count=count)
        bench.add("their CPU", f"{share:.1%}", "", "5% of a core", share <= 0.05, share=share)


def scheduled(bench):
    with bench.broker(SYNCED) as broker, bench.worker(broker, "bench", "lone"):
        late, slowest = bench.client(broker, SYNCED, "scheduled", bench.size.scheduled,
                                     3 + bench.size.scheduled // 50_000)
    bench.add(f"{bench.size.scheduled:,} due at once: the last result", f"{late:.0f} ms", "",
              "1000 ms", late <= 1000, late_ms=late)
    bench.add("the slowest of other tasks meanwhile", f"{slowest:.0f} ms", "", "50 ms",
              slowest <= 50, slowest_ms=slowest)


MEASURES = {measure.__name__: measure for measure in (
    end_to_end, enqueue, crowd, lone, paced, memory, backlog, restart, idle, scheduled)}


def machine():
    model = next((line.split(":", 1)[1].strip()
                  for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "a processor without a name")
    return f"{os.cpu_count()} CPUs, {model}, load {os.getloadavg()[0]:.1f}"


def finish(bench, begun, json_file):
    """Says how many bars are reached, and writes all that the figures rest on if that is wanted."""
    judged = [row for row in bench.rows if row.bar]
    print(f"{sum(row.met for row in judged)} of {len(judged)} bars are reached; "
          f"{time.monotonic() - begun:.0f} s; {machine()}")
    if json_file:
        with open(json_file, "w", encoding="utf-8") as out:
            json.dump({"machine": machine(), "size": dataclasses.asdict(bench.size),
                       "rows": [dataclasses.asdict(row) for row in bench.rows]}, out, indent=1)


def main():
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="small sizes, under two minutes: a look, no figures to quote")
    parser.add_argument("--seconds", type=float, help="of each rate; default 60, --quick 2")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="MEASURE",
                        help=f"one or more of: {', '.join(MEASURES)}")
    parser.add_argument("--data", default="build", metavar="FOLDER",
                        help="on the disk to be measured; default: build")
    parser.add_argument("--json", metavar="FILE", help="the figures, with all that they rest on")
    flags = parser.parse_args()
    size = dataclasses.replace(QUICK if flags.quick else FULL)
    if flags.seconds:
        size.seconds = flags.seconds
    begun = time.monotonic()
    print(machine())
    print(f"  {'':<46} {'figure':>22} {'share':>9}   {'bar':<14}")
    pathlib.Path(flags.data).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=flags.data) as folder:
        bench = Bench(size, folder)
        for name in flags.only or MEASURES:
            MEASURES[name](bench)
    finish(bench, begun, flags.json)


if __name__ == "__main__":
    main()
