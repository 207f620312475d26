#!/usr/bin/env python3
"""Measures where a task's processor time goes: in client, broker, worker, by whose code computes.

Needs perf (Debian: linux-perf) and may need root. The programs are those of run.sh. Alone: one task
after the other, each awaited. In runs: 1,000 at a time, as fast as it goes.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import pathlib
import re
import resource
import subprocess
import tempfile

import run
from processes import BIN

SAMPLES_PER_S = 4000
PROCESSES = ("client", "broker", "worker")
# What brings a thread into the kernel, by any function there. First match.
IN_KERNEL = (
    ("locks and wake-ups", r"^eventfd_|^do_futex$|sys_(sched_yield|nanosleep|clock_nanosleep)$"),
    ("sockets", r"^_*sys_(send|recv)|^_*x64_sys_(send|recv)|^sock_|^tcp_"),
    ("disk", r"^vfs_|^ksys_(write|pwrite64|read)$|^do_(writev|fsync|unlinkat)$"),
    ("polling", r"^do_epoll_|sys_(epoll_\w+|poll|ppoll)$"),
    ("fresh memory", r"^asm_exc_page_fault$|sys_(madvise|mmap|munmap)$"),
    ("interrupts and others", r""),
)
ALLOCATOR = (r"^(_int_|__libc_|je_)?(malloc|free|calloc|realloc|cfree)|^malloc_consolidate"
             r"|^unlink_chunk|^operator (new|delete)|^tcache_|^sysmalloc|^arena_get")
# By library and symbol. First match.
IN_PROCESS = (
    ("allocator", r"libjemalloc", r""),
    ("allocator", r"libc\.so|libstdc\+\+", ALLOCATOR),
    ("copying bytes", r"libc\.so", r"^_*mem(cpy|move|set|cmp)"),
    ("locks and wake-ups", r"libc\.so", r"pthread|futex|lll_"),
    ("RocksDB", r"librocksdb", r""),
    ("gRPC", r"libgrpc|libgpr|libabsl|libupb|libaddress_sorting|libcares|libre2", r""),
    ("protobuf", r"libprotobuf", r""),
    ("protobuf", r"", r"^\W*(google::protobuf|treadle::v1|treadle::storage)::"),
    ("gRPC", r"", r"^\W*grpc(_core|_event_engine)?::"),
    ("Treadle: engine", r"treadle-server", r"treadle::engine::"),
    ("Treadle: rows and store", r"treadle-server", r"treadle::(store|broker)::"),
    ("Treadle: edge", r"treadle-server", r"treadle::rpc::"),
    ("Treadle", r"treadle-server|bench_client|bench_worker", r""),
    ("libc and others", r"", r""),
)


def part_of(frames):
    """What a sample counts for; frames are (symbol, library), the innermost first."""
    symbol, library = frames[0]
    if "[kernel" in library or library == "[unknown]":
        for part, entry in IN_KERNEL:
            if any(re.search(entry, name) for name, _ in frames):
                return part
    return next(part for part, of, name in IN_PROCESS
                if re.search(of, library) and re.search(name, symbol))


def samples(data):
    """Of each: the process, its thread's name, and the frames."""
    script = subprocess.run(
        ["perf", "script", "-i", data, "-F", "comm,pid,tid,ip,sym,dso"], check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for block in script.split("\n\n"):
        head, *lines = block.strip().split("\n")
        place = re.match(r"\s*(.*?)\s+(\d+)/(\d+)\s*$", head)
        frames = [(found[1], found[2]) for found in
                  (re.match(r"\s*[0-9a-f]+ (.*) \(([^()]*)\)$", line) for line in lines) if found]
        if place and frames:
            yield int(place[2]), place[1], frames


class Treadle:
    """Tasks of bench_client, from end to end."""

    def __init__(self, bench, store, alone):
        self.bench, self.store, self.alone = bench, store, alone
        self.name = f"{'alone' if alone else 'in runs of 1,000'}, {store[0]}"

    @contextlib.contextmanager
    def running(self):
        with self.bench.broker(self.store) as broker, self.bench.worker(broker) as worker:
            yield broker, worker, broker.address

    def client(self, address):
        mode, fields = ("lone", (self.bench.size.trips, 0)) if self.alone else (
            "rate", (1000, 50_000, self.bench.size.seconds, 100))
        return [BIN / "bench_client", mode, address, self.store[0], *fields]

    def tasks(self, printed):
        return self.bench.size.trips if self.alone else int(printed.split()[0])


class Ceiling:
    """Messages of the ceiling's relay, as many as a task needs: what gRPC and the system cost."""

    name, alone = "alone, bare gRPC", True

    def __init__(self, bench):
        self.bench = bench

    def running(self):
        return self.bench.relay("rows")

    def client(self, address):
        return [BIN / "ceiling_relay", "ping", "rows", address, self.bench.size.trips]

    def tasks(self, _):
        return self.bench.size.trips


def measure(way, data):
    """Of a task: microseconds by part and by thread, and how often a thread waited."""
    def run_client(*before):
        return way.tasks(subprocess.run(
            list(map(str, [*before, *way.client(address)])), check=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)

    with way.running() as (broker, worker, address):
        run_client()
        before = own_children_switches(), switches(broker), switches(worker)
        tasks = run_client()
        after = own_children_switches(), switches(broker), switches(worker)
        waits = {name: (is_now - was) / tasks
                 for name, is_now, was in zip(PROCESSES, after, before)}
        tasks = run_client("perf", "record", "-q", "-a", "-g", "-F", SAMPLES_PER_S, "-o", data,
                           "--")
        of = {broker.pid: "broker", worker.pid: "worker"}
    parts = {name: collections.Counter() for name in PROCESSES}
    threads = {name: collections.Counter() for name in PROCESSES}
    for pid, thread, frames in samples(data):
        if pid not in of and any(re.search("bench_client|ceiling_relay", library)
                                 for _, library in frames):
            of[pid] = "client"
        if pid in of:
            each_us = 1e6 / SAMPLES_PER_S / tasks
            parts[of[pid]][part_of(frames)] += each_us
            threads[of[pid]][thread] += each_us
    return {"name": way.name, "alone": way.alone, "tasks": tasks, "waits": waits, "parts": parts,
            "threads": threads}


def switches(process):
    """How often its threads have waited."""
    count = 0
    for status in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status"):
        count += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.M)[1])
    return count


def own_children_switches():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw


def show(way):
    unit, scale = ("us", 1) if way["alone"] else ("ns", 1000)

    def line(name, numbers, digits=0):
        print(f"  {name:<24}" + "".join(f"{number:>9,.{digits}f}" for number in numbers))

    print(f"\na task {way['name']} ({way['tasks']:,} tasks)")
    for title, counts in ((f"{unit} by part", way["parts"]), (f"{unit} by thread", way["threads"])):
        print(f"  {title:<24}" + "".join(f"{name:>9}" for name in (*PROCESSES, "sum")))
        names = sum(counts.values(), collections.Counter())
        for name, total in names.most_common():
            if total * scale >= 0.5:
                line(name, [counts[process][name] * scale for process in PROCESSES]
                     + [total * scale])
        sums = [sum(counts[process].values()) * scale for process in PROCESSES]
        line("sum", [*sums, sum(sums)])
    waits = list(way["waits"].values())
    line("waits of a thread", [*waits, sum(waits)], digits=1 if way["alone"] else 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each rate; default 10")
    parser.add_argument("--trips", type=int, default=5000, help="of tasks alone; default 5000")
    parser.add_argument("--data", default="build", metavar="FOLDER",
                        help="on the disk to be measured; default: build")
    parser.add_argument("--json", metavar="FILE", help="the figures, for charts.py")
    flags = parser.parse_args()
    size = dataclasses.replace(run.FULL, seconds=flags.seconds, trips=flags.trips)
    print(run.machine())
    ways = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=flags.data) as folder:
        bench = run.Bench(size, folder)
        stores = (run.MEMORY, run.SYNCED)
        for way in (*(Treadle(bench, store, alone=False) for store in stores), Ceiling(bench),
                    *(Treadle(bench, store, alone=True) for store in stores)):
            ways.append(measure(way, f"{folder}/perf.data"))
            show(ways[-1])
    if flags.json:
        with open(flags.json, "w", encoding="utf-8") as out:
            json.dump({"machine": run.machine(), "ways": ways}, out, indent=1)


if __name__ == "__main__":
    main()
