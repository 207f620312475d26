#!/usr/bin/env python3
"""`treadle map` beside GNU parallel, over the same items: where both mean the same, the output, its
order and the exit code are the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import unittest

import processes
from scenario import Scenario

PRINTF = "/usr/bin/printf"
ODD = ["a b", "it's", 'say "hi"', "$HOME", "`id`", "*", "-n", "--", "a\\b", "w\u00e4rp \u7e54", "#",
       "{", "a/b.c/d.tar.gz", "/x", "a;b", "  two  ", "~", "tab\there"]


# What shells, paths and places take for their own.
PIECES = ["a", "b", ".", " ", "/", "'", '"', "\\", "$", "`", "*", "-", "{", "}", "{}", "{.}", "#",
          "~", "\u017c", "\t", ";", "&", "|", "=", "%", "!", "(", "<", "?", "["]
PLACES = ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{1}", "{2}", "{-1}", "{1.}", "{2/}", "{-1//}",
          "{3}", "{1/.}"]


@unittest.skipUnless(shutil.which("parallel"), "GNU parallel is not installed")
class BesideParallel(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.worker(self.server.address, "--allow-exec=/bin/sh", "--allow-exec=" + PRINTF,
                    "--allow-exec=/bin/cat", "--allow-exec=/usr/bin/wc")
        self.env = {**os.environ, "PARALLEL_HOME": str(self.folder), "HOME": str(self.folder)}

    def run_both(self, flags, program, tail=(), stdin=b"", map_flags=(), parallel_flags=()):
        """Both ends; parallel is given the same words, each quoted for its shell."""
        ours = subprocess.run(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", "--keep-going",
             *flags, *map_flags, "--", *program, *tail],
            input=stdin, capture_output=True, timeout=processes.LIMIT_S, check=False,
            cwd=self.folder)
        theirs = subprocess.run(
            ["parallel", "--will-cite", "-k", "-j2", "-q", *flags, *parallel_flags, *program,
             *tail],
            input=stdin, capture_output=True, timeout=processes.LIMIT_S, check=False,
            cwd=self.folder, env=self.env)
        return ours, theirs

    def same(self, *words, **options):
        ours, theirs = self.run_both(*words, **options)
        self.assertEqual(ours.stdout, theirs.stdout, ours.stderr)
        self.assertEqual(ours.returncode, theirs.returncode, ours.stderr)
        return ours

    def test_odd_items_on_the_command_line(self):
        self.same([], [PRINTF, "<%s>\\n", "{}"], [":::", *ODD])
        self.same([], [PRINTF, "<%s>\\n"], [":::", *ODD])

    def test_every_place(self):
        self.same([], [PRINTF, "%s|%s|%s|%s|%s|%s\\n", "{}", "{.}", "{/}", "{//}", "{/.}", "{#}"],
                  [":::", *(item for item in ODD if "{" not in item)])

    def test_several_sources(self):
        words = [":::", "a.x", "b.y", ":::", "1", "2", "3"]
        self.same([], [PRINTF, "%s-%s-%s\\n", "{1.}", "{2}", "{-1}"], words)
        self.same([], [PRINTF, "%s %s\\n"], words)
        self.same([], [PRINTF, "%s %s\\n", "{}"], words)
        self.same([], [PRINTF, "%s %s\\n"], [":::", "a", "b", "c", ":::+", "1", "2"])
        (self.folder / "one").write_text("x\ny\n")
        (self.folder / "two").write_text("1\n2\n")
        self.same([], [PRINTF, "%s %s\\n"], ["::::", "one", "two"])

    def test_any_words_in_any_places(self):
        around = ["x", "-", " ", "'", '"', "$H", "\\", "{", "}", "\u017c", "%d", ";"]
        for seed in range(24):
            chance = random.Random(seed)

            def word(of, least, most, chance=chance):
                return "".join(chance.choice(of) for _ in range(chance.randint(least, most)))

            flags = ["--colsep", ","] if chance.random() < 0.3 else []
            pieces = PIECES + [","] * 8 if flags else PIECES
            items = []
            for source in range(chance.randint(1, 3)):
                items.append(":::+" if source and chance.random() < 0.3 else ":::")
                items += [word(pieces, 0, 6) for _ in range(chance.randint(1, 3))]
            arguments = [word(chance.choice([around, PLACES, around + PLACES]), 1, 4)
                         for _ in range(chance.randint(0, 3))]
            flags += ["--tag"] if chance.random() < 0.3 else []
            with self.subTest(seed=seed, flags=flags, arguments=arguments, items=items):
                self.same(flags, [PRINTF, "<%s>\\n", "first", *arguments], items)

    def test_any_lines_of_standard_input(self):
        modes = [[], ["--colsep", ","], ["-0"], ["--pipe", "-N1"], ["--pipe", "-N2"], ["--tag"]]
        for seed in range(24):
            chance = random.Random(seed)
            flags = modes[seed % len(modes)]
            ends = ["\0"] if "-0" in flags else ["\n"]
            pieces = PIECES + ends * 3 + [",", ",", "" if "--tag" in flags else "\r"]
            text = "".join(chance.choice(pieces) for _ in range(chance.randint(0, 30)))
            program = ["/bin/cat", "-A"] if "--pipe" in flags else [
                PRINTF, "<%s>\\n", "first", *chance.choices(PLACES, k=chance.randint(0, 3))]
            with self.subTest(seed=seed, flags=flags, program=program, text=text):
                self.same(flags, program, stdin=text.encode())

    def test_lines_of_standard_input(self):
        self.same([], [PRINTF, "<%s>\\n"], stdin="\n".join(ODD).encode())
        self.same([], [PRINTF, "<%s>\\n"], stdin=b"a\n\nb\n\n")
        self.same([], [PRINTF, "<%s>\\n"])
        self.same(["-0"], [PRINTF, "<%s>\\n"], stdin=b"two\nlines\0b\0")

    def test_thousands(self):
        lines = "".join(f"{i}\n" for i in range(3_000))
        self.same([], [PRINTF, "%s\\n"], stdin=lines.encode())

    def test_columns(self):
        self.same(["--colsep", ","], [PRINTF, "%s %s\\n", "{2}", "{1}"], stdin=b"a,b\nc d,e\n")
        several = [":::", "a,b", "x , y,z", ":::", "c", "d,e"]
        self.same(["--colsep", ","], [PRINTF, "<%s>\\n", "{}"], several)
        self.same(["--colsep", ","], [PRINTF, "<%s> <%s> <%s>\\n", "{3}", "{2}", "{-1}"], several)

    def test_blocks_of_lines(self):
        self.same(["--pipe", "-N2"], ["/bin/cat", "-n"], stdin=b"1\n2\n3\n4\n5")
        self.same(["--pipe", "-N", "1000"], ["/usr/bin/wc", "-l"],
                  stdin=b"".join(b"%d\n" % i for i in range(2_500)))

    def test_tag(self):
        self.same(["--tag"], [PRINTF, "%s\\nmore\\n"], [":::", "a", "b c"])

    def test_a_failed_programs_output_comes_in_its_place(self):
        ours = self.same([], ["/bin/sh", "-c", "echo $1; echo torn >&2; [ $1 != b ]", "sh"],
                         [":::", "a", "b", "c"])
        self.assertEqual(ours.returncode, 1)
        self.assertIn(b"torn", ours.stderr)

    def test_dry_run(self):
        self.same(["--dry-run"], [PRINTF, "{1}-{2}"], [":::", "a", "b", ":::", "1", "2"])

    @staticmethod
    def log_of(path):
        header, *lines = path.read_text().splitlines()
        # Number, exit value and signal.
        rows = (line.split("\t") for line in lines)
        return header.split("\t")[:9], sorted((row[0], row[6], row[7]) for row in rows)

    def test_the_job_log_has_the_same_columns(self):
        logs = self.folder / "ours", self.folder / "theirs"
        ours, theirs = self.run_both(
            [], ["/bin/sh", "-c", "[ $1 = kill ] && kill -9 $$; exit $1", "sh"],
            [":::", "0", "3", "kill", "0"], map_flags=["--joblog", str(logs[0])],
            parallel_flags=["--joblog", str(logs[1])])
        self.assertNotEqual(ours.returncode, 0)
        self.assertNotEqual(theirs.returncode, 0)
        self.assertEqual(self.log_of(logs[0]), self.log_of(logs[1]))

    def test_results_are_kept_in_the_same_places(self):
        folders = self.folder / "r1", self.folder / "r2"
        self.run_both([], [PRINTF, "<%s>"], [":::", "a b", "c/d", "e\\f", ":::", "1", "2"],
                      map_flags=["--results", str(folders[0])],
                      parallel_flags=["--results", str(folders[1])])

        def tree(root):
            return {str(path.relative_to(root)): path.read_bytes()
                    for path in sorted(root.rglob("*")) if path.is_file()}

        self.assertEqual(tree(folders[0]), tree(folders[1]))
        self.assertEqual(len(tree(folders[0])), 18)

    def map(self, *words, stdin=b"", env=None):
        return subprocess.run(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", *words],
            input=stdin, capture_output=True, timeout=processes.LIMIT_S, check=False,
            cwd=self.folder, env=env)

    def test_a_reader_that_has_enough_ends_it_quietly(self):
        for words in ([], ["--keep-going"], ["-o", "json"]):
            read, write = os.pipe()
            os.close(read)
            ran = subprocess.run(
                [processes.BIN / "treadle", "--broker", self.server.address, "map", *words, "--",
                 PRINTF, "%s\\n"], input="".join(f"{i}\n" for i in range(500)).encode(),
                stdout=write, stderr=subprocess.PIPE, timeout=processes.LIMIT_S, check=False)
            os.close(write)
            self.assertEqual((ran.returncode, ran.stderr), (141, b""), words)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(
                [processes.BIN / "treadle", "--broker", self.server.address, "map", "--", PRINTF,
                 "%s", ":::", "a"], stdout=full, stderr=subprocess.PIPE,
                timeout=processes.LIMIT_S, check=False)
        self.assertEqual(ran.returncode, 7)
        self.assertIn(b"cannot write to standard output", ran.stderr)

    def test_failed_items_run_again(self):
        fails = ["--joblog", "log", "--keep-going", "--retry-failed", "--", "/bin/sh", "-c",
                 f"echo $1 >> {self.folder}/ran; [ $1 != b ] || [ -e {self.folder}/mended ]", "sh",
                 ":::", "a", "b", "c"]
        first = [word for word in fails if word != "--retry-failed"]
        self.assertEqual(self.map(*first).returncode, 1)
        self.assertEqual(self.map(*fails).returncode, 1)
        (self.folder / "mended").touch()
        self.assertEqual(self.map(*fails).returncode, 0)
        self.assertEqual(self.map(*fails).returncode, 0)
        ran = (self.folder / "ran").read_text().split()
        self.assertEqual((ran.count("a"), ran.count("b"), ran.count("c")), (1, 3, 1))

    def test_a_run_that_was_killed_goes_on_and_runs_nothing_twice(self):
        door = self.folder / "door"
        os.mkfifo(door)
        ran = self.folder / "ran"
        words = ["--joblog", "log", "--resume", "--", "/bin/sh", "-c",
                 f"echo $1 >> {ran}; [ $1 != 2 ] || cat {door}; echo $1", "sh", ":::", "1", "2",
                 "3"]
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", *words],
            stdout=subprocess.DEVNULL, cwd=self.folder)
        log = self.folder / "log"
        processes.wait_until(lambda: ran.exists() and len(ran.read_text().split()) == 3
                             and log.exists() and len(log.read_text().splitlines()) == 2,
                             "all runs, and the first's result")
        child.send_signal(signal.SIGKILL)
        child.wait()
        opened = subprocess.Popen(["/bin/sh", "-c", f"echo open > {door}"])
        again = self.map(*words)
        opened.wait()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout, b"open\n2\n3\n")
        self.assertEqual(sorted(ran.read_text().split()), ["1", "2", "3"])

    def test_what_ctrl_c_cancelled_is_run_by_resume(self):
        door = self.folder / "door"
        words = ["--joblog", "log", "--resume", "--", "/bin/sh", "-c",
                 f"[ -e {door} ] || exec sleep 600; echo $1", "sh", ":::", "1", "2"]
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        processes.wait_until(lambda: (self.folder / "log").exists(), "the log")
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(processes.LIMIT_S), 130)
        door.touch()
        again = self.map(*words)
        self.assertEqual((again.returncode, again.stdout), (0, b"1\n2\n"), again.stderr)

    def test_what_ended_behind_a_slow_item_is_not_lost_by_ctrl_c(self):
        door, ran = self.folder / "door", self.folder / "ran"
        # Two at once: that 4 is run says that the ends of 2 and 3 are known, behind 1.
        words = ["--joblog", "log", "--resume", "--results", "kept", "-j2", "--keep-going", "--",
                 "/bin/sh", "-c", f"echo $1 >> {ran}; case $1 in 1|4) [ -e {door} ] || "
                 "exec sleep 600;; esac; echo $1; [ $1 != 3 ]", "sh", ":::", "1", "2", "3", "4"]
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", *words],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder)
        processes.wait_until(lambda: ran.exists() and "4" in ran.read_text().split(),
                             "the last item to run")
        child.send_signal(signal.SIGINT)
        self.assertEqual((child.communicate(timeout=processes.LIMIT_S)[0], child.returncode),
                         (b"", 130))
        self.assertEqual(self.log_of(self.folder / "log")[1],
                         [("1", "-1", "0"), ("4", "-1", "0")])
        door.touch()
        again = self.map(*words)
        self.assertEqual((again.returncode, again.stdout), (1, b"1\n2\n3\n4\n"), again.stderr)
        kept = sorted(path.read_text() for path in (self.folder / "kept").rglob("stdout"))
        self.assertEqual(kept, ["1\n", "2\n", "3\n", "4\n"])
        runs = ran.read_text().split()
        self.assertEqual((runs.count("2"), runs.count("3")), (1, 1))
        self.assertEqual(self.map(*words).stdout, b"")

    def test_a_result_that_could_not_be_given_is_not_logged(self):
        ran = self.folder / "ran"
        words = ["--joblog", "log", "--resume", "--results", "kept", "--", "/bin/sh", "-c",
                 f"echo $1 | tee -a {ran}", "sh", ":::", "1"]
        (self.folder / "kept").write_text("no folder")
        first = self.map(*words)
        self.assertIn(b"--results", first.stderr)
        self.assertEqual(self.log_of(self.folder / "log")[1], [])
        (self.folder / "kept").unlink()
        with open("/dev/full", "wb") as full:
            subprocess.run([processes.BIN / "treadle", "--broker", self.server.address, "map",
                            *words], stdout=full, stderr=subprocess.DEVNULL,
                           timeout=processes.LIMIT_S, check=False, cwd=self.folder)
        self.assertEqual(self.log_of(self.folder / "log")[1], [])
        again = self.map(*words)
        self.assertEqual((again.returncode, again.stdout), (0, b"1\n"), again.stderr)
        self.assertEqual(ran.read_text(), "1\n")
        self.assertEqual(self.log_of(self.folder / "log")[1], [("1", "0", "0")])

    def test_what_ctrl_c_could_not_cancel_is_joined_by_resume(self):
        door, ran = self.folder / "door", self.folder / "ran"
        words = ["--joblog", "log", "--resume", "--", "/bin/sh", "-c",
                 f"echo $1 >> {ran}; until [ -e {door} ]; do sleep 0.05; done; echo $1", "sh",
                 ":::", "1", "2"]
        child = subprocess.Popen(
            [processes.BIN / "treadle", "--broker", self.server.address, "map", *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        processes.wait_until(lambda: ran.exists() and len(ran.read_text().split()) == 2,
                             "both items to run")
        self.server.kill()
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=processes.LIMIT_S)[1]
        self.assertEqual(child.returncode, 130)
        self.assertIn(b"2 may go on: the broker was not reached to cancel them", said)
        self.assertEqual(self.log_of(self.folder / "log")[1], [])
        self.server.start()
        door.touch()
        again = self.map(*words)
        self.assertEqual((again.returncode, again.stdout), (0, b"1\n2\n"), again.stderr)
        self.assertEqual(sorted(ran.read_text().split()), ["1", "2"])

    def test_a_named_run_joins_its_first(self):
        ran = self.folder / "ran"
        words = ["--run", "nightly", "--", "/bin/sh", "-c", f"echo $1 | tee -a {ran}", "sh",
                 ":::", "1", "2"]
        self.assertEqual(self.map(*words).stdout, b"1\n2\n")
        self.assertEqual(self.map(*words).stdout, b"1\n2\n")
        self.assertEqual(sorted(ran.read_text().split()), ["1", "2"])


if __name__ == "__main__":
    unittest.main()
