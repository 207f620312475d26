#!/usr/bin/env python3
"""The command line `treadle` as scripts use it, and its client over broken connections."""

import csv
import io
import itertools
import json
import os
import pathlib
import pty
import select
import signal
import socket
import subprocess
import time
import unittest

import api
import processes
from proxy import Proxy
from scenario import Scenario

OK, TASK_FAILED, USAGE, NOT_FOUND, UNREACHABLE, TIMEOUT, REFUSED = range(7)
OTHER = 7
READER_GONE = 141
INTERRUPTED, TERMINATED = 130, 143


class CommandLine(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.address = self.server.address

    def start(self, *words, stdin=subprocess.DEVNULL):
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.address, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, child)
        return child

    @staticmethod
    def end(child):
        if child.poll() is None:
            child.kill()
        child.communicate()

    def treadle(self, *words, code=OK, stdin=None):
        """Standard output and standard error."""
        child = self.start(*words, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        out, err = child.communicate(stdin, timeout=processes.LIMIT_S)
        self.assertEqual(child.returncode, code, f"{words}: {out}{err}")
        return out, err

    def test_submit_and_result(self):
        self.worker(self.address, "--allow-exec=/usr/bin/wc")
        notes = self.folder / "notes.txt"
        notes.write_text("over under over\n")
        out, _ = self.treadle("submit", "--stdin", str(notes), "--", "/usr/bin/wc", "-w")
        name = out.strip()
        self.assertEqual(self.treadle("result", name)[0], "3\n")
        out, _ = self.treadle("submit", "--wait", "--stdin=-", "--", "/usr/bin/wc", "-l",
                              stdin="a\nb\n")
        self.assertEqual(out, "2\n")
        told = json.loads(self.treadle("task", "show", name, "--output=json")[0])
        self.assertEqual(told["task_id"], name)

    def test_why_a_task_does_not_run(self):
        name = self.treadle("submit", "--type=nobody", "-q", "why")[0].strip()
        out, _ = self.treadle("task", "explain", name)
        self.assertIn("no worker serves queue 'why'", out)
        self.assertIn("start a worker that serves the queue", out)
        self.assertRegex(out, r"(?m)^time +\d.* no worker$")
        self.treadle("queue", "pause", "why")
        told = json.loads(self.treadle("task", "explain", name, "--output=json")[0])
        self.assertEqual([reason["reason"] for reason in told["reasons"]],
                         ["PAUSED", "NO_WORKER"])
        dry_run = ["submit", "--type=nobody", "-q", "why", "--dry-run"]
        self.assertIn("queue 'why' is paused", self.treadle(*dry_run)[0])
        self.assertEqual(self.treadle(*dry_run, "--output=name")[0], "PAUSED\n")
        self.assertEqual(self.connect(self.server).info().unfinished_tasks, 1)
        self.treadle("task", "explain", "zz-1", code=NOT_FOUND)
        self.treadle("queue", "close", "why")
        _, err = self.treadle(*dry_run, code=REFUSED)
        self.assertIn("closed", err)

    def test_what_failed_is_kept(self):
        self.worker(self.address, "--queue=lost", "--allow-exec=/bin/sh")
        script = "read -r word; echo \"no $word\" >&2; exit 3"
        submit = ["submit", "-q", "lost", "--attempts=1", "--wait", "--stdin=-", "--"]
        for word in ("ink", "ink"):
            self.treadle(*submit, "/bin/sh", "-c", script, stdin=word + "\n", code=TASK_FAILED)
        (name, _) = self.treadle("dead", "list", "lost", "-o", "name")[0].split()
        (group,) = json.loads(self.treadle("dead", "groups", "-o", "json")[0])
        self.assertEqual((group["queue"], group["count"]), ("lost", 2))
        self.assertEqual(group["error_type"], "ExitStatus")
        out, _ = self.treadle("dead", "groups", "lost")
        self.assertIn(group["group"], out)
        self.assertIn("no ink", out)
        out, _ = self.treadle("dead", "list", "lost", "--group", group["group"], "--limit=1")
        self.assertIn(name, out)
        out, _ = self.treadle("dead", "show", name)
        self.assertIn("attempt 1", out)
        self.assertIn(group["group"], out)
        self.assertEqual(self.treadle("dead", "payload", name)[0], "ink\n")
        self.assertIn("kept", self.treadle("task", "show", name)[0])
        out, _ = self.treadle("queue", "update", "lost", "--dead-letters=1", "--dead-letter-ttl=3d")
        self.assertIn("for 3d", out)
        self.treadle("dead", "list", "lost", "--group=none", code=USAGE)
        _, err = self.treadle("queue", "delete", "lost", code=REFUSED)
        self.assertIn("redrive or delete them first", err)
        out, err = self.treadle("dead", "redrive", "--queue", "lost", "--dry-run")
        self.assertEqual(len(out.splitlines()), 2)
        self.assertIn("1 dead letter would be redriven", err)
        _, err = self.treadle("dead", "redrive", "--queue", "lost", code=USAGE)
        self.assertIn("redrive 1 dead letter of queue lost", err)
        into_mended = ["dead", "redrive", "--queue", "lost", "--into=mended", "--yes"]
        self.assertIn("does not exist", self.treadle(*into_mended, code=NOT_FOUND)[1])
        self.treadle("queue", "create", "mended")
        out, _ = self.treadle(*into_mended)
        self.assertEqual(out, "1 task redriven\n")
        (job,) = json.loads(self.treadle("job", "list", "-o", "json")[0])
        self.assertEqual((job["state"], job["done"]), ("DONE", 1))
        self.assertIn("redrive dead letters of queue lost, into mended",
                      self.treadle("job", "show", job["job_id"])[0])
        self.assertIn("1 task redriven", self.treadle("job", "wait", job["job_id"])[0])
        self.assertIn("done", self.treadle("job", "cancel", job["job_id"])[0])
        self.assertIn("no job is running", self.treadle("job", "list", "--running")[1])
        self.treadle("job", "show", "zz", code=NOT_FOUND)
        self.assertEqual(self.treadle("dead", "list", "lost", "-o", "name")[0], "")
        self.treadle("queue", "delete", "lost")
        self.treadle("dead", "redrive", code=USAGE)
        self.treadle("dead", "redrive", "zz-1", "--queue=lost", code=USAGE)
        out, _ = self.treadle("dead", "delete", "zz-1")
        self.assertEqual(out, "0 dead letters deleted, 1 not there any more\n")
        self.treadle("dead", "show", "zz-1", code=NOT_FOUND)
        self.treadle("dead", "list", "nowhere", code=NOT_FOUND)

    def test_a_queue_pauses_with_a_reason(self):
        self.treadle("queue", "create", "rest", "--breaker=50", "--breaker-resume=5m")
        self.assertIn("opens when 50 % of at least 20 attempts fail within 1m00s, for 5m00s",
                      self.treadle("queue", "show", "rest")[0])
        out, _ = self.treadle("queue", "pause", "rest", "--for=10m", "--reason=the disk is full")
        self.assertIn("the disk is full", out)
        self.assertIn("resumes", out)
        out, _ = self.treadle("submit", "-q", "rest", "--type=any", "--dry-run")
        self.assertIn("the disk is full", out)
        self.assertNotIn("because", self.treadle("queue", "resume", "rest")[0])

    def test_what_no_worker_runs_is_told_and_fails_in_time(self):
        _, err = self.treadle("queue", "create", "bare", "--fail-unserved-after=500ms", code=USAGE)
        self.assertIn("use 1000 to", err)
        out, _ = self.treadle("queue", "create", "bare", "--fail-unserved-after=10m")
        self.assertIn("what no worker could run for 10m00s fails", out)
        out, err = self.treadle("submit", "--type=nobody", "-q", "bare")
        name = out.strip()
        self.assertIn("no worker runs type 'nobody' of queue 'bare' yet; it waits: "
                      f"treadle task explain {name}", err)
        self.assertIn("it fails if nobody comes", self.treadle("task", "explain", name)[0])
        lines = '{"type": "nobody"}\n{"type": "none"}\n'
        out, err = self.treadle("submit", "--batch=-", "-q", "bare", "-o", "jsonl", stdin=lines)
        self.assertEqual([json.loads(line)["no_worker"] for line in out.splitlines()], [True] * 2)
        self.assertEqual(err.count("no worker runs its type of its queue"), 1)
        self.treadle("queue", "update", "bare", "--fail-unserved-after=1s")
        self.assertIn("NoWorker", self.treadle("result", name, code=TASK_FAILED)[1])
        self.worker(self.address, "--allow-exec=/bin/true", queues=["bare"])
        processes.wait_until(
            lambda: "no worker" not in self.treadle("submit", "-q", "bare", "--dry-run", "--",
                                                    "/bin/true")[0], "the worker")
        self.assertEqual(self.treadle("submit", "-q", "bare", "--", "/bin/true")[1], "")

    def test_exit_codes(self):
        self.worker(self.address, "--allow-exec=/bin/sh")
        _, err = self.treadle("submit", "--wait", "--", "/bin/sh", "-c", "echo torn >&2; exit 3",
                              code=TASK_FAILED)
        self.assertIn("torn", err)
        # No worker allows it: it waits for one that does.
        self.treadle("submit", "--wait", "--timeout=200ms", "--", "/bin/true", code=TIMEOUT)
        self.treadle("submit", "--frobnicate", code=USAGE)
        self.treadle("submit", code=USAGE)
        self.treadle("result", "not an id", code=USAGE)
        self.treadle("result", "zz-zz", code=NOT_FOUND)
        self.treadle("queue", "show", "nothing", code=NOT_FOUND)
        out, _ = self.treadle("submit", "--type=nobody", "--queue=nobody")
        self.treadle("result", out.strip(), "--timeout=100ms", code=TIMEOUT)
        self.treadle("queue", "create", "small", "--max-tasks=1")
        self.treadle("submit", "--type=a", "--queue=small")
        _, err = self.treadle("submit", "--type=a", "--queue=small", code=REFUSED)
        self.assertIn("1 of 1", err)
        self.server.kill()
        _, err = self.treadle("server", "show", "--connect-timeout=500ms", code=UNREACHABLE)
        self.assertIn(self.address, err)

    def test_what_cannot_be_written_is_an_error(self):
        self.treadle("submit", "--type=nobody")
        for words in (["task", "list"], ["task", "list", "--output=json"], ["queue", "list"],
                      ["task", "list", "--watch"], ["task", "list", "-o", "csv"],
                      ["worker", "list", "-o", "csv"], ["queue", "list", "-o", "name"],
                      ["server", "show"], ["--help"], ["submit", "--type=nobody"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                ran = subprocess.run(
                    [processes.BIN / "treadle", f"--broker={self.address}", *words],
                    stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                    timeout=processes.LIMIT_S, check=False)
            self.assertEqual(ran.returncode, OTHER, f"{words}: {ran.stderr}")
            self.assertIn("cannot write", ran.stderr)

    def test_a_reader_that_has_enough_ends_it_quietly(self):
        # Sent again it is nothing new, of which there would be more to say.
        submit = ["submit", "--type=nobody", "--queue=q", "--request-key=once"]
        self.treadle(*submit)
        for words in (["task", "list"], ["task", "list", "-o", "jsonl"], ["queue", "list", "-w"],
                      ["queue", "show", "q"], ["server", "show"], submit,
                      ["task", "show", "zz-zz", "--help"], ["task", "cancel", "--queue=q", "-y"]):
            read, write = os.pipe()
            os.close(read)
            try:
                ran = subprocess.run(
                    [processes.BIN / "treadle", f"--broker={self.address}", *words],
                    stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE, text=True,
                    timeout=processes.LIMIT_S, check=False)
            finally:
                os.close(write)
            self.assertEqual((ran.returncode, ran.stderr), (READER_GONE, ""), words)

    def test_signals_end_every_wait_with_their_own_code(self):
        name = self.treadle("submit", "--type=nobody")[0].strip()
        (alone, nobody) = socket.socketpair()
        for words in (["result", name], ["task", "wait", name], ["task", "watch", name],
                      ["task", "list", "--watch"], ["worker", "list", "--watch"],
                      ["submit", "--wait", "--type=nobody"], ["submit", "--type=a", "--payload=-"],
                      ["server", "wait"]):
            if words[0] == "server":
                self.address = "127.0.0.1:1"  # nobody's
            for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
                child = self.start(*words, stdin=alone)
                # It has begun when it blocks these signals for its own thread to read.
                processes.wait_until(lambda: self.blocks(child.pid, number), "it to begin")
                child.send_signal(number)
                child.communicate(timeout=processes.LIMIT_S)
                self.assertEqual(child.returncode, code, words)
        alone.close()
        nobody.close()

    @staticmethod
    def blocks(pid, number):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigBlk:"):
                return int(line.split()[1], 16) >> (number - 1) & 1
        return False

    def test_one_grammar(self):
        self.worker(self.address, "--allow-exec=/usr/bin/wc")
        out, _ = self.treadle("task", "submit", "--stdin=-", "--", "/usr/bin/wc", "-w",
                              stdin="over under\n")
        name = out.strip()
        self.assertEqual(self.treadle("task", "wait", name, "-o", "name")[0], out)
        self.assertEqual(self.treadle("task", "result", name)[0], "2\n")
        self.assertIn("SUCCEEDED", self.treadle("task", "watch", name)[0])
        (told,) = json.loads(self.treadle("task", "list", "--all", "-o", "json")[0])
        self.assertEqual(told["task_id"], name)
        (line,) = self.treadle("task", "list", "--all", "-o", "jsonl")[0].splitlines()
        self.assertEqual(json.loads(line), told)

    def test_csv_is_read_by_others(self):
        self.treadle("submit", "--type=say \"hi\", you", "--queue=q")
        rows = list(csv.DictReader(io.StringIO(self.treadle("task", "list", "-o", "csv")[0])))
        self.assertEqual([(row["queue"], row["type"], row["state"]) for row in rows],
                         [("q", 'say "hi", you', "QUEUED")])
        self.assertEqual(rows[0]["last_error.type"], "")

    def test_what_a_filter_takes_is_cancelled(self):
        connection = self.connect(self.server)
        spec = api.task.TaskSpec(queue="bulk", type="a")
        connection.submit(*[spec] * 2500)
        connection.submit(api.task.TaskSpec(queue="other", type="a"))
        filters = ["--queue=bulk", "--state=queued"]
        _, err = self.treadle("task", "cancel", *filters, code=USAGE)
        self.assertIn("cancel 2500 tasks: say --yes", err)
        out, _ = self.treadle("task", "cancel", *filters, "--dry-run", "-o", "name")
        self.assertEqual(len(set(out.split())), 2500)
        out, _ = self.treadle("task", "cancel", *filters, "--yes")
        self.assertEqual(out, "2500 tasks cancelled\n")
        self.assertEqual(connection.info().unfinished_tasks, 1)

    def test_a_question_is_asked_on_a_terminal(self):
        connection = self.connect(self.server)
        connection.submit(*[api.task.TaskSpec(queue="q", type="a")] * 2)
        for answer, code, left in (("n\n", USAGE, 2), ("y\n", OK, 0)):
            parent, child = pty.openpty()
            ran = subprocess.Popen(
                [processes.BIN / "treadle", f"--broker={self.address}", "queue", "purge", "q"],
                stdin=child, stdout=subprocess.PIPE, stderr=child, text=True)
            self.addCleanup(self.end, ran)
            os.write(parent, answer.encode())
            ran.communicate(timeout=processes.LIMIT_S)
            self.assertEqual(ran.returncode, code)
            seen = ""  # the answer's echo, too, and in parts
            while "[y/N] " not in seen:
                ready, _, _ = select.select([parent], [], [], processes.LIMIT_S)
                self.assertTrue(ready, seen)
                seen += os.read(parent, 4096).decode()
            self.assertRegex(seen, r"(?m)^[A-Z][a-z]+ .*\? \[y/N\] ")
            self.assertEqual(connection.info().unfinished_tasks, left)
            os.close(child)
            os.close(parent)

    def test_watch_paints_in_place_on_a_terminal(self):
        self.treadle("queue", "create", "cloth")
        parent, terminal = pty.openpty()
        child = subprocess.Popen(
            [processes.BIN / "treadle", f"--broker={self.address}", "queue", "list", "--watch",
             "--interval=100ms"], stdin=subprocess.DEVNULL, stdout=terminal,
            stderr=subprocess.PIPE, env=dict(os.environ, TERM="xterm"))
        self.addCleanup(self.end, child)
        os.close(terminal)
        painted = b""
        while b"\x1b[2A" not in painted:  # up over the title and the queue
            painted += os.read(parent, 4096)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual(child.returncode, INTERRUPTED)
        os.close(parent)

    def test_a_long_batch_is_submitted_once_and_in_order(self):
        count = 120_000  # more than one client takes
        path = self.folder / "jobs.jsonl"
        with path.open("w", encoding="utf-8") as jobs:
            for n in range(count):
                jobs.write(f'{{"type": "a", "payload": {n}}}\n')
        out, err = self.treadle("submit", "--batch", str(path), "--queue=q")
        self.assertRegex(err, r"\A.*jobs.jsonl:1: no worker runs its type of its queue yet.*\n\Z")
        names = out.split()
        self.assertEqual(len(set(names)), count)
        connection = self.connect(self.server)
        self.assertEqual(connection.info().unfinished_tasks, count)
        leased = connection.lease(["q"], max_tasks=1000)
        self.assertEqual([task.task_id for task in leased], names[:len(leased)])
        self.assertEqual([task.payload for task in leased],
                         [str(n).encode() for n in range(len(leased))])

    def test_ctrl_c_ends_a_batch_that_waits_for_lines(self):
        child = self.start("submit", "--batch=-", "--type=a", stdin=subprocess.PIPE)
        child.stdin.write("{}\n")
        child.stdin.flush()
        self.assertNotEqual(child.stdout.readline(), "")
        child.send_signal(signal.SIGTERM)
        # Not by the end of its input, which `communicate` brings.
        self.assertEqual(child.wait(processes.LIMIT_S), TERMINATED)
        _, err = child.communicate()
        self.assertIn("interrupted after 1 tasks", err)

    def test_server_wait_waits_for_the_broker(self):
        self.server.kill()
        self.treadle("server", "wait", "--timeout=200ms", code=UNREACHABLE)
        child = self.start("server", "wait", "--timeout=60s")
        self.server.restart()
        _, err = child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual((child.returncode, err), (OK, ""))

    def test_what_cannot_be_read_is_an_error(self):
        folder = str(self.folder)
        for words in (["map", "--items", folder, "--type=a"],
                      ["submit", "--type=a", "--payload", "@" + folder],
                      ["submit", "--type=a", "--payload", "@/nowhere"]):
            _, err = self.treadle(*words, code=OTHER)
            self.assertIn("cannot read", err)
        for words in (["map", "--type=a"], ["submit", "--type=a", "--payload=-"]):
            at = os.open(folder, os.O_RDONLY)
            try:
                ran = subprocess.run(
                    [processes.BIN / "treadle", f"--broker={self.address}", *words], stdin=at,
                    capture_output=True, text=True, timeout=processes.LIMIT_S, check=False)
            finally:
                os.close(at)
            self.assertEqual(ran.returncode, OTHER, f"{words}: {ran.stderr}")
            self.assertIn("cannot read standard input: Is a directory", ran.stderr)

    def test_a_proxy_for_the_web_is_not_asked_for_the_broker(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        environment = dict(os.environ, http_proxy=proxy, https_proxy=proxy, grpc_proxy=proxy)

        def info(*flags):
            return subprocess.run(
                [processes.BIN / "treadle", f"--broker={self.address}", *flags,
                 "--connect-timeout=1s", "server", "show"],
                env=environment, capture_output=True, text=True, timeout=processes.LIMIT_S,
                check=False)

        self.assertEqual(info().returncode, OK, info().stderr)
        asked = info("--http-proxy")
        self.assertEqual(asked.returncode, UNREACHABLE, asked.stderr)
        self.assertIn("http_proxy", asked.stderr)
        self.worker(self.address, "--allow-exec=/bin/true", env=environment)
        self.treadle("submit", "--wait", "--", "/bin/true")

    def test_an_address_that_is_none_is_named_as_the_mistake(self):
        port = int(self.address.rsplit(":", 1)[1])
        for address, word in ((f"127.0.0.1:{port + 65536}", "65535"), ("127.0.0.1", "has no port"),
                              (str(port), "has no host"), (f"http://127.0.0.1:{port}", "URL"),
                              ("", "empty")):
            self.address = address
            _, err = self.treadle("server", "show", code=USAGE)
            self.assertIn(word, err)
            self.assertEqual(len(err.splitlines()), 2, err)  # and no line of gRPC's own

    def test_the_environments_address_is_checked_as_the_flags_is(self):
        for address, word in (("127.0.0.1", "has no port"), ("127.0.0.1:70000", "65535"),
                              ("http://127.0.0.1:7733", "URL")):
            ran = subprocess.run(
                [processes.BIN / "treadle", "server", "show"], capture_output=True, text=True,
                env=dict(os.environ, TREADLE_BROKER=address), timeout=processes.LIMIT_S,
                check=False)
            self.assertEqual(ran.returncode, USAGE, ran.stderr)
            self.assertIn(f"'{address}'", ran.stderr)
            self.assertIn(word, ran.stderr)

    def piped(self, words, pieces):
        """`treadle words`, with these pieces of bytes through a pipe: its code, output, errors."""
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.address, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, child)
        try:
            for piece in pieces:
                child.stdin.write(piece)
            child.stdin.flush()
        except BrokenPipeError:
            pass  # it has read enough
        out, err = child.communicate(timeout=processes.LIMIT_S)
        return child.returncode, out.decode(), err.decode()

    def test_the_largest_payload_comes_whole_through_a_pipe(self):
        connection = self.connect(self.server)
        payload = os.urandom(connection.info().limits.payload_bytes_max)
        words = ["submit", "--type=a", "--queue=q", "--payload=-"]
        code, name, err = self.piped(words, [payload[:1], payload[1:-1], payload[-1:]])
        self.assertEqual(code, OK, err)
        (leased,) = connection.lease(["q"])
        self.assertEqual(leased.task_id, name.strip())
        self.assertTrue(leased.payload == payload, "it came with other bytes")

    def test_standard_input_beyond_the_bound_is_refused_in_the_users_words(self):
        connection = self.connect(self.server)
        most = connection.info().limits.payload_bytes_max
        words = ["submit", "--type=a", "--payload=-"]
        code, out, err = self.piped(words, [bytes(most), b"x"])
        self.assertEqual((code, out), (USAGE, ""), err)
        self.assertIn(f"payload: has {most + 1} bytes; send at most {most}", err)
        # One without an end is not read for ever.
        code, out, err = self.piped(words, itertools.repeat(bytes(1 << 20)))
        self.assertEqual((code, out), (OTHER, ""), err)
        self.assertIn("standard input: it is longer than 256MiB", err)
        self.assertEqual(connection.info().unfinished_tasks, 0)

    def test_a_large_submit_ends_when_it_is_answered(self):
        """gRPC's own end takes 10 s after a large message, now and then, unless it is kept from it.

        It does so mostly where the answer comes at once.
        """
        self.address = self.broker("--store=memory", name="quick").address
        payload = self.folder / "payload"
        payload.write_bytes(bytes(4_100_000))
        took = []
        for _ in range(40):
            began = time.monotonic()
            self.treadle("submit", "--type=a", "--payload", f"@{payload}")
            took.append(time.monotonic() - began)
        usual = sorted(took)[len(took) // 2]
        self.assertLess(max(took), 8 + 2 * usual, f"{took}")

    def test_map_keeps_the_order_of_its_items(self):
        self.worker(self.address, "--allow-exec=/bin/sh", "--concurrency=4")
        items = [str(n) for n in range(60)]
        # The first items take longest.
        text = "sleep 0.$(( (60 - $0) / 7 )); echo item $0"
        out, _ = self.treadle("map", "--", "/bin/sh", "-c", text, stdin="\n".join(items) + "\n")
        self.assertEqual(out.split("\n")[:-1], [f"item {n}" for n in items])

    def test_map_goes_on_over_broker_crashes(self):
        self.worker(self.address, "--allow-exec=/bin/sh", "--concurrency=2")
        runs = self.folder / "runs"
        runs.touch()
        count = 400
        child = self.start("map", "--", *self.noting(runs), stdin=subprocess.PIPE)
        for n in range(count):
            child.stdin.write(f"{n}\n")
            child.stdin.flush()
            if n % 100 == 50:
                done = len(runs.read_text().split())
                self.server.restart()
                processes.wait_until(
                    lambda: len(runs.read_text().split()) > done, "the work to go on"
                )
        out, err = child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual(child.returncode, OK, err)
        self.assertEqual(sorted(self.numbers(runs.read_text())), list(range(count)))
        self.assertEqual(self.numbers(out), list(range(count)))

    def test_map_goes_on_over_silent_and_broken_connections(self):
        proxy = Proxy(self.address)
        self.addCleanup(proxy.close)
        near, self.address = self.address, proxy.address
        self.worker(near, "--allow-exec=/bin/sh", "--concurrency=2")
        runs = self.folder / "runs"
        child = self.start("map", "--", *self.noting(runs), stdin=subprocess.PIPE)

        def give(first, last):
            for n in range(first, last):
                child.stdin.write(f"{n}\n")
            child.stdin.flush()
            processes.wait_until(
                lambda: runs.exists() and len(self.numbers(runs.read_text())) >= last,
                f"{last} tasks to be done",
            )

        give(0, 50)
        proxy.freeze()  # the client must notice by itself
        give(50, 100)
        proxy.cut()
        proxy.open()
        give(100, 150)
        out, err = child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual(child.returncode, OK, err)
        self.assertEqual(sorted(self.numbers(runs.read_text())), list(range(150)))
        self.assertEqual(self.numbers(out), list(range(150)))

    def test_result_waits_over_a_broker_crash(self):
        connection = self.connect(self.server)
        (name,) = connection.submit(api.task.TaskSpec(queue="q", type="a"))
        child = self.start("result", name)
        (leased,) = connection.lease(["q"])
        self.server.restart()
        self.assertEqual(connection.complete(leased, result=b"woven").code, 0)
        out, err = child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual((child.returncode, out), (OK, "woven"), err)

    def test_ctrl_c_cancels_what_a_map_has_under_way(self):
        self.worker(self.address, "--allow-exec=/bin/sh", "--concurrency=2")
        on = self.folder / "on"
        text = f'echo x >> "{on}"; sleep 600'
        child = self.start("map", "--", "/bin/sh", "-c", text, ":::", "1", "2", "3", "4")
        processes.wait_until(
            lambda: on.exists() and len(on.read_text().split()) == 2, "two programs to run"
        )
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=processes.LIMIT_S)
        self.assertEqual(child.returncode, INTERRUPTED, err)
        connection = self.connect(self.server)

        processes.wait_until(
            lambda: connection.info().unfinished_tasks == 0, "the programs to be stopped"
        )

    def test_ctrl_c_ends_a_map_that_waits_for_room(self):
        """More than the client may have unanswered, in a queue that has no room for it."""
        self.treadle("queue", "create", "full", "--max-bytes=8MiB")
        connection = self.connect(self.server)
        item = self.folder / "item"
        item.write_bytes(bytes(3 << 20))
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
            child = self.start("map", "-q", "full", "--stdin-files", "--", "/bin/true", ":::",
                               *[str(item)] * 40)

            def waits():
                shown = self.treadle("queue", "show", "full", "--output=json")[0]
                return json.loads(shown)["stats"].get("waiting_submitters", 0) > 0

            processes.wait_until(waits, "submits to wait for room")
            child.send_signal(number)
            _, err = child.communicate(timeout=processes.LIMIT_S)
            self.assertEqual(child.returncode, code, err)
            processes.wait_until(lambda: connection.info().unfinished_tasks == 0,
                                 "the tasks to be cancelled")

    def test_who_waits_for_a_worker_that_is_not_there_is_told(self):
        waiting = [self.start(*words) for words in (
            ["submit", "--wait", "-q", "cloth", "--", "/bin/true"],
            ["map", "-q", "cloth", "--", "/bin/true", ":::", "a", "b"])]
        for child in waiting:
            line = child.stderr.readline()
            self.assertIn("no worker is connected that takes 'exec:/bin/true' from queue 'cloth'",
                          line)
            self.assertIn("treadle-worker --queue cloth --allow-exec /bin/true --broker "
                          + self.address, line)
        self.worker(self.address, "--allow-exec=/bin/true", queues=["cloth"])
        for child in waiting:
            _, err = child.communicate(timeout=processes.LIMIT_S)
            self.assertEqual((child.returncode, err), (0, ""))

    def test_what_a_failed_program_wrote_is_not_lost(self):
        self.worker(self.address, "--allow-exec=/bin/sh")
        words = ["--", "/bin/sh", "-c", "echo found; echo lost >&2; exit 3"]
        out, err = self.treadle("submit", "--wait", *words, code=TASK_FAILED)
        self.assertEqual(out, "found\n")
        self.assertIn("exit status 3: lost", err)
        name = self.treadle("submit", *words)[0].strip()
        shown = json.loads(self.treadle("result", name, "-o", "json", code=TASK_FAILED)[0])
        self.assertEqual((shown["error"]["exit_code"], shown["error"]["details"]), (3, "found\n"))
        self.assertRegex(self.treadle("task", "show", name)[0], r"(?m)^  exit code +3$")
        long = self.treadle("submit", "--wait", "-o", "json", "--", "/bin/sh", "-c",
                            "yes lost | head -c 20000 >&2; exit 3", code=TASK_FAILED)[0]
        long = json.loads(long)
        shown = self.treadle("task", "show", long["task_id"])[0]
        self.assertLess(len(shown), len(long["error"]["message"]) // 2)
        self.assertIn("in all: -o json)", shown)

    def test_queues_and_workers_are_listed(self):
        self.worker(self.address, "--allow-exec=/bin/true", name="loom-7", queues=["cloth"])
        self.treadle("queue", "create", "cloth", "--discipline=priority", "--max-tasks=10")
        self.treadle("queue", "create", "cloth", "--discipline=fifo", code=REFUSED)
        self.treadle("submit", "--queue=cloth", "--priority=5", "--wait", "--", "/bin/true")
        self.assertIn("cloth", self.treadle("queue", "list")[0])
        shown = json.loads(self.treadle("queue", "show", "cloth", "--output=json")[0])
        self.assertEqual(shown["config"]["name"], "cloth")
        self.assertIn("loom-7", self.treadle("worker", "list")[0])

    def test_a_worker_is_drained(self):
        worker = self.worker(self.address, "--allow-exec=/bin/sh", name="loom-7")
        gate = self.folder / "gate"
        running = self.start("submit", "--wait", "--", "/bin/sh", "-c",
                             f"while ! [ -e {gate} ]; do sleep 0.05; done; echo done")
        connection = self.connect(self.address)
        processes.wait_until(
            lambda: any(pool.running for each in connection.attached_workers()
                        for pool in each.pools),
            "the task to run")
        self.assertIn("no worker matches now", self.treadle("worker", "drain", "loom-8")[1])
        self.treadle("worker", "undrain", "loom-8")
        self.treadle("worker", "undrain", "loom-8", code=NOT_FOUND)
        _, err = self.treadle("worker", "drain", "loom-?", "--wait", "--timeout=300ms",
                              code=TIMEOUT)
        self.assertIn("1 worker draining, 1 of them with tasks still", err)
        self.assertIn("draining", self.treadle("worker", "list")[0])
        self.assertIn("loom-?", self.treadle("worker", "drains")[0])
        drain = self.start("worker", "drain", "loom-?", "--wait")
        self.assertIn("1 worker draining", drain.stderr.readline())  # it has seen the worker
        gate.touch()
        self.assertEqual(running.communicate(timeout=processes.LIMIT_S)[0], "done\n")
        self.assertIn("drained (drain ", drain.communicate(timeout=processes.LIMIT_S)[0])
        self.assertEqual(worker.wait(processes.LIMIT_S), 0)
        actions = self.treadle("server", "actions", "--kind=drain-set", "-o", "jsonl")[0]
        self.assertEqual(len(actions.splitlines()), 3)
        self.assertIn("@", json.loads(actions.splitlines()[0])["actor"])

    @staticmethod
    def noting(path):
        """A program that appends its item to a file, and tells it as its result."""
        return ["/bin/sh", "-c", f'echo $0 >> "{path}"; echo $0']

    @staticmethod
    def numbers(text):
        return [int(line) for line in text.splitlines()]


if __name__ == "__main__":
    unittest.main(verbosity=2)
