#!/usr/bin/env python3
"""Brokers whose disk fails, fills up, or may not be written to.

Wants root, for mounts of its own.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import api
import processes
from scenario import Scenario

EXIT_STORE_FAILED = 3
EXT4_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_LOG_FLUSH = 2
MIB = 1 << 20


class Device(Scenario):
    def mount(self, size_bytes):
        """An ext4 of its own on a loop device; its folder."""
        place = pathlib.Path(tempfile.mkdtemp(prefix="treadle-mount-"))
        image, folder = place / "image", place / "mount"
        folder.mkdir()
        with open(image, "wb") as file:
            file.truncate(size_bytes)

        def unmount():
            subprocess.run(["umount", folder], capture_output=True, check=False)
            if not os.path.ismount(folder):
                shutil.rmtree(place)

        # Cleanups run last to first: when this one does, the processes have ended.
        self._cleanups.insert(0, (unmount, (), {}))
        make = ["mkfs.ext4", "-q", "-m", "0", image]
        for command in (make, ["mount", "-o", "loop", image, folder]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"no mount here: {done.stderr.strip()}")
        return folder

    def submit_all_the_time(self, broker):
        """From four threads, until the broker is gone."""
        connection = self.connect(broker)

        def submit():
            spec = api.task.TaskSpec(queue="q", type="t", payload=b"x" * 2000)
            while broker.running():
                try:
                    connection.tasks.Submit(api.tasks.SubmitRequest(tasks=[spec] * 50), timeout=30)
                except Exception:  # pylint: disable=broad-except
                    pass

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.addCleanup(lambda: [thread.join() for thread in threads])
        return threads

    def ends_with_its_word(self, broker, *words):
        self.assertEqual(broker.wait(), EXIT_STORE_FAILED, broker.tail())
        for word in ("the store failed", *words):
            self.assertIn(word, broker.output())

    def test_a_device_that_fails_under_load_ends_the_broker_with_its_word(self):
        folder = self.mount(256 * MIB)
        broker = self.broker(data=folder / "data")
        self.submit_all_the_time(broker)
        processes.wait_until(
            lambda: list(pathlib.Path(folder / "data/rows").glob("*.log")), "a log"
        )
        file = os.open(folder, os.O_RDONLY)
        try:
            fcntl.ioctl(file, EXT4_SHUTDOWN, WITHOUT_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(file)
        self.ends_with_its_word(broker, "is on a device that failed")

    def test_a_read_only_file_system_is_named(self):
        folder = self.mount(64 * MIB)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        broker = self.own(processes.Broker(self.folder, data=folder / "data"))
        self.assertEqual(broker.start(wait=False).wait(), 1, broker.tail())
        self.assertIn("read-only: mount it for writing", broker.output())
        self.assertNotIn("chown", broker.output())

    def test_a_disk_that_others_fill_ends_the_broker_with_its_word_and_no_task_is_lost(self):
        folder = self.mount(256 * MIB)
        broker = self.broker(data=folder / "data")
        spec = api.task.TaskSpec(queue="q", type="t", payload=b"x" * 2000)
        names = self.connect(broker).submit(*[spec] * 50)
        self.submit_all_the_time(broker)
        with open(folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(256 << 10))
            except OSError:
                pass
        self.ends_with_its_word(broker, "is on a full disk")
        os.unlink(folder / "filler")
        broker.start()
        connection = self.connect(broker)
        for name in names:
            self.assertEqual(connection.show(name).queue, "q")


if __name__ == "__main__":
    unittest.main(verbosity=2)
