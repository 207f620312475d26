#!/usr/bin/env python3
"""The README's first programs, which are a client and a worker each. The others of client/examples
run by themselves: tests/client/examples_test.cc.
"""

import pathlib
import subprocess
import unittest

import processes
from scenario import Scenario

TREE = processes.HERE.parents[1]
EXAMPLES = TREE / "client/examples"


def run(*command):
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=processes.LIMIT_S,
        check=False,
    )


class Examples(Scenario):
    def program(self, name, *command):
        return self.own(processes.Process(self.folder, name, command)).start()

    def test_sum_squares(self):
        broker = self.broker()
        worker = self.program("worker", processes.BIN / "sum_squares_worker", broker.address)
        client = run(processes.BIN / "sum_squares_client", broker.address)
        self.assertEqual(client.returncode, 0, client.stderr)
        sums = sorted(int(line.rsplit(": ", 1)[1]) for line in client.stdout.splitlines())
        counts = [n * 1_000 for n in range(1, 11)]
        self.assertEqual(sums, [n * (n + 1) * (2 * n + 1) // 6 for n in counts])
        self.assertEqual(worker.terminate(), 0, worker.tail())

    def test_the_worker_in_ten_lines_of_python(self):
        broker = self.broker()
        script = (EXAMPLES / "shout_worker.py").read_text()
        self.assertIn('"127.0.0.1:7733"', script)
        script = script.replace("127.0.0.1:7733", broker.address)
        self.program("shout", processes.PYTHON, "-c", script)
        command_line = (processes.BIN / "treadle", "--broker", broker.address)
        said = run(*command_line, "submit", "--type", "shout", "--payload", "hello", "--wait")
        self.assertEqual((said.returncode, said.stdout), (0, "HELLO"), said.stderr)

    def test_no_example_is_left_out(self):
        """Those that are tests themselves are all built into testing_examples_test."""
        tests = (TREE / "tests/client/examples_test.cc", pathlib.Path(__file__))
        text = "".join(test.read_text() for test in tests)
        programs = [
            path.stem
            for path in EXAMPLES.iterdir()
            if path.suffix in (".cc", ".py") and not path.stem.endswith("_test")
        ]
        self.assertGreaterEqual(len(programs), 8)
        self.assertEqual([name for name in programs if f'"{name}' not in text], [])


if __name__ == "__main__":
    unittest.main()
