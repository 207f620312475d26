#!/usr/bin/env python3
"""chaos.py broker|pauses|workers|power [SEED [BREAKS]]: work goes on while processes are killed or
stopped at random moments, or the broker's machine loses its power.

A client submits over a session stream, at every durability that survives what is done. Workers of
two kinds serve it: ones in Python, which lease by unary calls, extend what they hold for long and
note it all, and stock treadle-workers, whose programs note every run. Meanwhile the broker is
killed with -9 ten times and started again on the same data and port; or it is stopped past every
lease and goes on; or workers are killed and stopped past their leases; or what it has not synced is
lost with it, on a disk of its own, which wants root. Then, from what the client
was told and the workers noted: every acknowledged task has ended, none ended in two ways, no submit
became two tasks, no two leases of one task were live at once, late reports were refused, and no
lease of a worker that lived was lost over a broker's pause. Over a loss of power this holds of what
was acknowledged as SYNCED; the rest may be gone, and is then unknown, or may have ended anew.
"""

import collections
import itertools
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

import api
import mounts
import processes
from chaos_worker import QUEUE, TYPE
from session import Session, task_id

BREAKS = 10
LEASE_MS = 2000
ABORTED = 10
SKIPPED = 77  # ctest's SKIP_RETURN_CODE
DISK_BYTES = 512 << 20
UNFINISHED_MAX = 1500
BATCH = 25
# What an acknowledgement outlives: kill -9 of the broker, or nothing that happens to it.
SAFE = (api.task.DURABILITY_SYNCED, api.task.DURABILITY_WRITTEN)
ANY = (*SAFE, api.task.DURABILITY_MEMORY)
# A lease is over at the broker's next turn, not in the same microsecond.
SLACK_S = 1.0


class Chaos:
    def __init__(self, what, seed, breaks):
        self.what = what
        self.breaks = breaks
        self.random = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="treadle-chaos-"))
        self.runs = self.folder / "runs.txt"
        self.counts = collections.Counter()
        self.processes = []
        self.names = itertools.count()
        self.disk = mounts.Disk(DISK_BYTES) if what == "power" else None
        data = self.disk.folder / "data" if self.disk else None
        self.broker = self.own(
            processes.Broker(self.folder, f"--lease-time={LEASE_MS}ms", data=data)
        )
        self.submitted = 0

    def own(self, process):
        self.processes.append(process)
        return process

    def start_noting_worker(self):
        name = f"noting-{next(self.names)}"
        journal = self.folder / f"{name}.journal"
        return self.own(
            processes.Script(
                self.folder, name, "chaos_worker.py", self.broker.address, name, journal, LEASE_MS
            )
        ).start()

    def start_stock_worker(self):
        name = f"stock-{next(self.names)}"
        return self.own(
            processes.Worker(
                self.folder,
                self.broker.address,
                "--allow-exec=/usr/bin/tee",
                "--concurrency=4",
                name=name,
                queues=[QUEUE],
            )
        ).start()

    def run(self):
        self.broker.start()
        starters = [self.start_noting_worker, self.start_stock_worker] * 2
        workers = [(start(), start) for start in starters]
        connection = api.Connection(self.broker.address)
        session = Session(connection)
        try:
            for _ in range(self.breaks):
                self.submit_for(session, self.random.uniform(0.3, 1.5))
                if self.what == "broker":
                    self.counts["broker kills"] += 1
                    self.broker.restart()
                elif self.what == "power":
                    self.counts["power cuts"] += 1
                    self.cut_power()
                elif self.what == "pauses":
                    self.counts["broker pauses"] += 1
                    self.broker.pause()
                    self.submit_for(session, self.random.uniform(1, 2) * LEASE_MS / 1000)
                    self.broker.resume()
                else:
                    self.break_worker(workers, session)
            self.submit_for(session, 0.5)
            session.wait(
                lambda s: not s.pending and not s.awaited,
                "every acknowledged task to end",
                processes.LIMIT_S,
            )
            again = self.fetch_again(connection, session)
        finally:
            session.close()
            for process in self.processes:
                process.kill()
            connection.close()
            if self.disk:
                self.disk.close()
        self.judge(session, again)

    def cut_power(self):
        # An acknowledgement that comes between the two rests on a sync from before the first.
        self.disk.cut_power()
        self.broker.kill()
        self.disk.restore_power()
        self.broker.start()

    def survives(self, session, name):
        """Whether all that was said of this task must hold till the end."""
        return self.what != "power" or session.acknowledged[name] == api.task.DURABILITY_SYNCED

    def submit_for(self, session, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if session.failure:
                raise AssertionError(session.failure)
            if len(session.pending) + len(session.awaited) < UNFINISHED_MAX:
                session.submit([self.next_spec() for _ in range(BATCH)])
            time.sleep(0.005)

    def next_spec(self):
        number = self.submitted
        self.submitted += 1
        common = {
            "queue": QUEUE,
            "payload": f"{number}\n".encode(),
            "durability": self.random.choice(SAFE if self.what == "broker" else ANY),
            "max_attempts": 1000,
        }
        if number % 10 == 0:
            return api.exec_spec(["/usr/bin/tee", "-a", str(self.runs)], **common)
        return api.task.TaskSpec(type=TYPE, **common)

    def break_worker(self, workers, session):
        index = self.random.randrange(len(workers))
        process, start = workers[index]
        if self.random.random() < 0.5:
            self.counts["workers killed"] += 1
            process.kill()
            workers[index] = (start(), start)
        else:
            self.counts["workers stopped past their lease"] += 1
            process.pause()
            self.submit_for(session, 2 * LEASE_MS / 1000)
            process.resume()

    def fetch_again(self, connection, session):
        """Every outcome a second time, as another client, after all is over."""
        reader = Session(connection, name="reader")
        ids = list(session.acknowledged)
        try:
            for start in range(0, len(ids), 1000):
                reader.await_ids(ids[start : start + 1000])
            reader.wait(lambda s: not s.awaited, "all outcomes once more", processes.LIMIT_S)
            lost = [name for name in reader.unknown if self.survives(session, name)]
            self.counts["lost, as they may be"] = len(reader.unknown) - len(lost)
            if lost:
                raise AssertionError(f"acknowledged and unknown now: {lost[:5]}")
            return reader.outcomes
        finally:
            reader.close()

    def judge(self, session, again):
        problems = []
        leases, reports = self.read_journals()
        if self.what == "power":
            safe = {name for name in session.acknowledged if self.survives(session, name)}
            leases = {token: lease for token, lease in leases.items() if lease["task"] in safe}
            reports = {token: report for token, report in reports.items() if token in leases}
        self.counts["submitted"] = self.submitted
        self.counts["acknowledged"] = len(session.acknowledged)
        self.counts["submits sent again"] = session.resent
        self.counts["connections of the client"] = session.connects
        self.counts["leases noted"] = len(leases)

        if len(session.acknowledged) != self.submitted:
            problems.append(f"{self.submitted - len(session.acknowledged)} submits not accepted: "
                            f"{list(session.refused.items())[:3]}")
        weak = [i for i, d in session.acknowledged.items() if d < session.asked[i]]
        if weak:
            problems.append(f"acknowledged with less than was asked for: {weak[:5]}")
        for name in session.acknowledged:
            told = session.outcomes.get(name, set()) | again.get(name, set())
            if not self.survives(session, name):
                self.counts["acknowledged as less than SYNCED"] += 1
            elif len(told) != 1:
                problems.append(f"task {name} ended in {len(told)} ways: {told}")
            else:
                self.counts[api.task.TaskState.Name(next(iter(told))[0])] += 1
        problems += self.judge_numbers(leases)
        problems += self.judge_leases(leases)
        problems += self.judge_reports(leases, reports, again)
        problems += self.judge_runs(session)
        for what, count in self.counts.items():
            print(f"  {count:7} {what}")
        if problems:
            print("\n".join(problems[:20]))
            raise AssertionError(f"{len(problems)} broken promises; see {self.folder}")

    def read_journals(self):
        leases, reports = {}, {}
        for path in self.folder.glob("*.journal"):
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if "extended" in entry:
                    self.counts["extensions"] += 1
                    leases[entry["token"]].update(entry)
                else:
                    (reports if "code" in entry else leases)[entry["token"]] = entry
        return leases, reports

    def judge_numbers(self, leases):
        """A submit that was sent again is still one task."""
        ids = collections.defaultdict(set)
        for lease in leases.values():
            ids[lease["payload"]].add(lease["task"])
        for number, names in ids.items():
            if len(names) > 1:
                yield f"submit {number.strip()} became {len(names)} tasks: {names}"

    def judge_leases(self, leases):
        by_task = collections.defaultdict(list)
        for lease in leases.values():
            by_task[lease["task"]].append(lease)
        for name, its_leases in by_task.items():
            its_leases.sort(key=lambda lease: lease["token"])
            for one, next_one in zip(its_leases, its_leases[1:]):
                self.counts["tasks leased again"] += 1
                if self.what == "pauses":
                    yield f"task {name} was taken from a worker that lives: token {one['token']}"
                if next_one["live_from"] < one["live_until"]:
                    yield (f"task {name} had two live leases: token {one['token']} until "
                           f"{one['live_until']:.3f}, {next_one['token']} from "
                           f"{next_one['live_from']:.3f}")

    def judge_reports(self, leases, reports, again):
        for token, report in reports.items():
            name = leases[token]["task"]
            accepted = report["code"] == 0
            self.counts["reports accepted" if accepted else "reports refused"] += 1
            told = {result.decode() for _, result, _ in again.get(name, ())}
            if accepted and told != {report["result"]}:
                yield f"task {name}: report {report['result']} was accepted, the outcome is {told}"
            if not accepted and self.what == "pauses":
                yield f"task {name}: a report was refused though its worker lives"
            if not accepted and report["code"] != ABORTED:
                yield f"task {name}: a report was refused with code {report['code']}"
            late = report["sent"] > leases[token]["over_from"] + SLACK_S
            if late and self.what == "workers":
                self.counts["late reports"] += 1
                if accepted:
                    yield f"task {name}: a report {report['result']} after its lease was accepted"

    def judge_runs(self, session):
        runs = collections.Counter(self.runs.read_text().split())
        self.counts["programs run"] = sum(runs.values())
        for number in range(0, self.submitted, 10):
            times = runs[str(number)]
            # The client has one session all the time: its sequences count from 1.
            if not self.survives(session, task_id(session.session_id, number + 1)):
                continue
            # Workers that live through a broker's restart keep what they run.
            if times == 0 or (times > 1 and self.what != "workers"):
                yield f"the program of submit {number} ran {times} times"


def main():
    what = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    breaks = int(sys.argv[3]) if len(sys.argv) > 3 else BREAKS
    print(f"chaos {what}, seed {seed}, {breaks} breaks", flush=True)
    try:
        chaos = Chaos(what, seed, breaks)
    except mounts.Refused as why:
        print(f"SKIPPED: {why}")
        sys.exit(SKIPPED)
    try:
        chaos.run()
    except BaseException:
        for process in chaos.processes[:6]:
            print(f"--- end of {process.log}\n{process.tail()}")
        print(f"--- kept: {chaos.folder}; again: chaos.py {what} {seed} {breaks}")
        raise
    shutil.rmtree(chaos.folder)


if __name__ == "__main__":
    main()
