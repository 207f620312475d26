#!/usr/bin/env python3
"""chaos_worker.py ADDRESS NAME JOURNAL LEASE_MS: a worker that notes all it does.

A line of the journal for each lease: the task, the token, from when until when the lease was live
without doubt (CLOCK_MONOTONIC, the same in every process), from when on it was over without doubt
unless the broker restarted, when the report was sent, and what the broker said of it. A lease that
the worker did not get to report has a line without the last two.
"""

import json
import os
import random
import sys
import time

import api

QUEUE = "chaos"
TYPE = "note"


def main():
    address, name, path, lease_ms = sys.argv[1:]
    lease_s = int(lease_ms) / 1000
    connection = api.Connection(address)
    journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(**fields):
        os.write(journal, (json.dumps(fields) + "\n").encode())

    while True:
        asked = time.monotonic()
        leased = connection.lease(
            [QUEUE], wait_ms=1000, types=[TYPE], max_tasks=8, lease_ms=int(lease_ms)
        )
        got = time.monotonic()
        for task in leased:
            note(
                task=task.task_id,
                token=task.token,
                payload=task.payload.decode(),
                live_from=got,
                live_until=asked + lease_s,
                over_from=got + lease_s,
            )
        for task in leased:
            time.sleep(random.uniform(0, 0.004))
            result = f"{name}:{task.token}"
            sent = time.monotonic()
            # Where the broker died over it, the report is sent again and may find itself applied:
            # a refusal then does not say that it changed nothing.
            status = connection.complete(task, result=result.encode())
            note(token=task.token, sent=sent, code=status.code, result=result)


if __name__ == "__main__":
    main()
