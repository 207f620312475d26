#!/usr/bin/env python3
"""How treadle-server and treadle-worker start, refuse to start, and stop."""

import os
import pathlib
import signal
import socket
import subprocess
import unittest

import api
import processes
from scenario import Scenario

EXIT_USAGE = 2


class Startup(Scenario):
    def refuses(self, broker, *words, code=None):
        """The broker ends by itself, with a sentence that has these words."""
        status = self.own(broker).start(wait=False).wait()
        self.assertGreater(status, 0, f"ended with {status}:\n{broker.tail()}")
        if code is not None:
            self.assertEqual(status, code, broker.tail())
        for word in words:
            self.assertIn(str(word), broker.output())

    def second(self, *flags, **options):
        return processes.Broker(self.folder, *flags, name="second", **options)

    def still_serves(self, broker):
        self.connect(broker).submit(api.task.TaskSpec(queue="q", type="a"))

    def test_two_brokers_on_one_port(self):
        broker = self.broker()
        self.refuses(self.second(listen=broker.address), broker.address)
        self.still_serves(broker)

    def test_a_port_that_another_program_has(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refuses(self.second(listen=address), address)

    def test_an_http_port_that_another_program_has(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refuses(self.second(http=address), address, "--http-listen", code=1)
        self.refuses(self.second(http="nowhere"), "--http-listen", "nowhere", code=EXIT_USAGE)

    def test_every_ipv4_interface_is_no_ipv6_one(self):
        broker = self.broker(listen="0.0.0.0:0", name="everywhere")
        self.still_serves(broker)
        port = int(broker.address.rsplit(":", 1)[1])
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as other:
                other.bind(("::1", 0))
        except OSError as why:
            self.skipTest(f"no IPv6 here: {why}")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("::1", port), timeout=processes.LIMIT_S)

    def test_a_service_manager_is_told_when_it_serves_and_when_it_stops(self):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(processes.LIMIT_S)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                broker = self.broker("--store=memory", name="notifying")
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertEqual(manager.recv(100), b"READY=1")
            self.still_serves(broker)
            broker.terminate()
            self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_a_port_file_that_cannot_be_written(self):
        second = self.second("--store=memory")
        second.port_file = self.folder / "nowhere" / "port"
        self.refuses(second, "--port-file", second.port_file, "No such file or directory", code=1)

    def test_a_port_file_that_is_a_device_is_not_replaced(self):
        full = self.folder / "full"
        full.symlink_to("/dev/full")
        ran = subprocess.run(
            [processes.BIN / "treadle-server", "--listen=127.0.0.1:0", "--store=memory",
             "--http-listen=", f"--port-file={full}"],
            capture_output=True, text=True, timeout=processes.LIMIT_S, check=False)
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertIn(f"--port-file: cannot write '{full}' (No space left on device)", ran.stderr)
        self.assertTrue(full.is_char_device())

    def test_two_brokers_on_one_data_directory(self):
        broker = self.broker()
        self.refuses(self.second(data=broker.data), broker.data)
        self.still_serves(broker)

    def test_a_data_directory_that_is_a_file(self):
        path = self.folder / "file"
        path.write_text("not a folder\n")
        self.refuses(self.second(data=path), path)

    def test_a_working_directory_that_is_gone(self):
        gone = self.folder / "gone"
        gone.mkdir()
        ran = subprocess.run(
            ["/bin/sh", "-c", f'cd "{gone}" && rmdir "{gone}" && exec "$0" --listen=127.0.0.1:0 '
             "--http-listen=",
             processes.BIN / "treadle-server"],
            capture_output=True, text=True, timeout=processes.LIMIT_S, check=False)
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertIn("name an absolute path", ran.stderr)

    def test_a_data_directory_without_rights(self):
        path = self.folder / "locked"
        path.mkdir(mode=0o500)
        if os.geteuid() == 0:  # root may write everywhere but here
            path = pathlib.Path("/proc/treadle")
        self.refuses(self.second(data=path), path)

    def test_an_address_that_is_none(self):
        self.refuses(self.second(listen="nowhere"), "nowhere")
        self.refuses(self.second(listen="127.0.0.1:99999"), "99999")

    def test_an_unknown_flag(self):
        self.refuses(self.second("--lisen=x"), "--lisen", code=EXIT_USAGE)

    def test_a_flag_with_a_bad_value(self):
        self.refuses(self.second("--lease-time=soon"), "lease-time", code=EXIT_USAGE)
        self.refuses(self.second("--lease-time=-5s"), "lease-time", code=EXIT_USAGE)
        self.refuses(self.second("--store=floppy"), "store", code=EXIT_USAGE)

    def test_an_unknown_key_in_the_config_file(self):
        config = self.folder / "broker.conf"
        config.write_text("# a typo\nlease-tiem = 10s\n")
        self.refuses(self.second(f"--config={config}"), config, "lease-tiem", code=EXIT_USAGE)

    def test_a_config_file_that_is_not_there(self):
        config = self.folder / "none.conf"
        self.refuses(self.second(f"--config={config}"), config, code=EXIT_USAGE)

    def test_a_config_file_does_what_flags_do(self):
        config = self.folder / "broker.conf"
        config.write_text("payload-max = 100KiB  # small\nstore = memory\n")
        broker = self.broker(f"--config={config}")
        info = self.connect(broker).info()
        self.assertEqual(info.limits.payload_bytes_max, 100 << 10)
        self.assertEqual(info.store, "memory")

    def test_help_and_version(self):
        for program in ("treadle-server", "treadle-worker"):
            for flag, word in (("--help", "--config"), ("--version", ".")):
                told = subprocess.run(
                    [processes.BIN / program, flag], capture_output=True, text=True, timeout=60,
                    check=False,
                )
                self.assertEqual(told.returncode, 0, told.stderr)
                self.assertIn(word, told.stdout)

    def test_a_worker_with_bad_flags(self):
        cases = [
            (["--concurrency=-1", "--allow-exec=/bin/true"], "concurrency"),
            (["--alow-exec=/bin/true"], "--alow-exec"),
            (["--allow-exec=true"], "--allow-exec"),
            ([], "--allow-exec"),
            (["--allow-exec=/bin/true", "--run-in=exec:/bin/false=process"], "--run-in"),
            (["--allow-exec=/bin/true", "--queue=a\tb"], "--queue"),
            (["--allow-exec=/bin/true", "--queue=" + "q" * 300], "--queue"),
        ]
        for flags, word in cases:
            worker = self.own(processes.Worker(self.folder, "127.0.0.1:1", *flags)).start()
            self.assertEqual(worker.wait(), EXIT_USAGE, worker.tail())
            self.assertIn(word, worker.output())

    def test_sigterm_and_sigint_end_a_broker_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            broker = self.broker(name=f"broker-{number}")
            connection = self.connect(broker)
            # A call that waits is told, not cut off.
            waiting = connection.workers.Lease.future(
                api.workers.LeaseRequest(queues=["q"], wait_ms=600_000), timeout=600
            )
            self.still_serves(broker)
            broker.signal(number)
            self.assertEqual(broker.wait(), 0, broker.tail())
            self.assertIn(waiting.code().name, ("OK", "UNAVAILABLE", "CANCELLED"))

    def test_sigterm_ends_a_broker_with_open_streams(self):
        broker = self.broker()
        worker = self.worker(broker.address, "--allow-exec=/bin/true")
        connection = self.connect(broker)
        (name,) = connection.submit(api.exec_spec(["/bin/true"]))
        connection.outcome(name)
        self.assertEqual(broker.terminate(), 0, broker.tail())
        self.assertTrue(worker.running(), "a worker waits for its broker to come back")
        self.assertEqual(worker.terminate(), 0, worker.tail())


if __name__ == "__main__":
    unittest.main(verbosity=2)
