#!/usr/bin/env python3
"""Backups, made and restored by the commands of server/store/backup.md."""

import os
import pathlib
import re
import subprocess
import unittest

import api
import processes
from scenario import Scenario

PAGE = pathlib.Path(processes.HERE) / "../../server/store/backup.md"
TASKS = 20


class Backup(Scenario):
    def setUp(self):
        super().setUp()
        blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        self.assertEqual(len(blocks), 3)
        self.make, self.check, self.restore = blocks

    def run_block(self, block, broker):
        path = f"{processes.BIN}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-eu", "-c", block],
            env={**os.environ, "PATH": path, "DATA": str(broker.data), "BACKUP": str(self.backup)},
            capture_output=True,
            text=True,
            timeout=processes.LIMIT_S,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @property
    def backup(self):
        return self.folder / "backup"

    def submit(self, broker, payload):
        spec = api.task.TaskSpec(queue="q", type="t", payload=payload)
        return self.connect(broker).submit(*[spec] * TASKS)

    def test_made_tried_and_restored_as_the_page_says(self):
        broker = self.broker()
        kept = set(self.submit(broker, b"before"))
        self.assertEqual(broker.terminate(), 0, broker.tail())
        self.run_block(self.make, broker)
        self.assertTrue((self.backup / "FORMAT").exists())

        broker.start()
        self.submit(broker, b"after")
        self.assertEqual(broker.terminate(), 0, broker.tail())
        self.assertIn("q", self.run_block(self.check, broker))
        log = max((pathlib.Path(broker.data) / "rows").glob("*.log"))
        log.write_bytes(b"not a log" + bytes(range(256)))
        self.assertGreater(broker.start(wait=False).wait(), 0)
        self.assertIn(str(log), broker.output())

        self.run_block(self.restore, broker)
        broker.start()
        leased = self.connect(broker).lease(["q"], max_tasks=2 * TASKS)
        self.assertEqual({task.task_id for task in leased}, kept)
        self.assertEqual({task.payload for task in leased}, {b"before"})

    def test_a_copy_that_did_not_finish_is_refused(self):
        broker = self.broker()
        self.submit(broker, b"x")
        self.assertEqual(broker.terminate(), 0, broker.tail())
        log = max((pathlib.Path(broker.data) / "rows").glob("*.log"))
        os.truncate(log, log.stat().st_size - 1)
        self.assertGreater(broker.start(wait=False).wait(), 0)
        self.assertIn("has lost its end", broker.output())
        self.assertIn(str(log), broker.output())


if __name__ == "__main__":
    unittest.main(verbosity=2)
