#!/usr/bin/env python3
"""chaos_worker.py ADDRESS NAME JOURNAL LEASE_MS: a worker that notes all it does.

A line of the journal for each lease: the task, the token, from when until when the lease was live
without doubt (CLOCK_MONOTONIC, the same in every process), and from when on it was over without
doubt unless the broker restarted or was paused. A line for each extension, with the later times. A
line for each report: when it was sent, and what the broker said of it.
"""

import json
import os
import random
import sys
import time

import api

QUEUE = "chaos"
TYPE = "note"
# Of the batches, this share is held beyond its leases, by extending them.
HELD = 0.05


def main():
    address, name, path, lease_ms = sys.argv[1:]
    lease_s = int(lease_ms) / 1000
    connection = api.Connection(address)
    journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(**fields):
        os.write(journal, (json.dumps(fields) + "\n").encode())

    def hold(held):
        """For one and a half leases. Returns those that are still held."""
        until = time.monotonic() + 1.5 * lease_s
        while held and time.monotonic() < until:
            time.sleep(lease_s / 4)
            asked = time.monotonic()
            request = api.workers.ExtendRequest(
                leases=[
                    api.workers.LeaseExtension(token=task.token, lease_ms=int(lease_ms))
                    for task in held
                ]
            )
            results = api.patiently(connection.workers.Extend, request).results
            got = time.monotonic()
            for result in results:
                if result.status.code == 0:
                    note(token=result.token, extended=True, live_until=asked + lease_s,
                         over_from=got + lease_s)
                else:
                    sys.stderr.write(f"not extended: {result}\n")
            lost = {result.token for result in results if result.status.code != 0}
            held = [task for task in held if task.token not in lost]
        return held

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
        if leased and random.random() < HELD:
            hold(list(leased))
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
