#!/usr/bin/env python3
"""`treadle dev`: a broker and a worker in one process, which end on Ctrl-C."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

TREADLE = str(pathlib.Path(os.environ["TREADLE_BIN"], "treadle"))
LIMIT_S = 60


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def treadle(address, *words):
    command = [TREADLE, "--broker", address, "--connect-timeout", "60s", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


class Dev(unittest.TestCase):
    def start(self, address, *flags):
        command = [TREADLE, "--broker", address, "dev", *flags]
        dev = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(dev.stdout.close)
        self.addCleanup(dev.stderr.close)
        self.addCleanup(dev.wait)
        self.addCleanup(dev.kill)
        return dev

    def stop(self, dev):
        dev.send_signal(signal.SIGINT)
        self.assertEqual(dev.wait(timeout=LIMIT_S), 0)
        return dev.stdout.read()

    def test_runs_programs_and_says_what_to_type(self):
        address = free_address()
        dev = self.start(address)
        ran = treadle(address, "submit", "--wait", "--", "/usr/bin/uname", "-s")
        self.assertEqual((ran.returncode, ran.stdout), (0, "Linux\n"), ran.stderr)
        self.assertIn(f"treadle submit --broker {address} --wait", self.stop(dev))

    def test_runs_what_it_is_told_and_ends_that_with_it(self):
        address = free_address()
        dev = self.start(address, "--allow-exec", "/usr/bin/bash")
        with tempfile.TemporaryDirectory(prefix="treadle-test-") as folder:
            pipe = pathlib.Path(folder, "started")
            os.mkfifo(pipe)
            script = f"sleep 600 & echo $! > {pipe}; wait"
            submitted = treadle(address, "submit", "--", "/usr/bin/bash", "-c", script)
            self.assertEqual(submitted.returncode, 0, submitted.stderr)
            started = int(pipe.read_text())
        dev.kill()
        dev.wait(timeout=LIMIT_S)
        self.wait_until_gone(started)

    def wait_until_gone(self, process):
        end = time.monotonic() + LIMIT_S
        while pathlib.Path("/proc", str(process)).exists():
            self.assertLess(time.monotonic(), end, "what the task started lives on")
            time.sleep(0.01)

    def test_says_that_its_port_is_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            refused = treadle(f"127.0.0.1:{taken.getsockname()[1]}", "dev")
        self.assertNotIn(refused.returncode, (0, 2))
        self.assertIn("in use", refused.stderr)

    def test_names_the_program_that_is_not_there(self):
        refused = treadle(free_address(), "dev", "--allow-exec", "/usr/bin/nothing-of-this-name")
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("--allow-exec: program '/usr/bin/nothing-of-this-name'", refused.stderr)

    def test_serves_this_machine_alone(self):
        refused = treadle("0.0.0.0:7733", "dev")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("this machine alone", refused.stderr)


if __name__ == "__main__":
    unittest.main()
