#!/usr/bin/env python3
"""A data directory that an earlier build left behind, of the format that this one has, is served.

stores/format-N.tar.xz has one for each format that can still be read: it was left by a broker that
was killed, and has tables and a log. `format_test.py write` makes that of the programs under
TREADLE_BIN, when the format's number has risen, or when rows have got fields that it should have.
"""

import lzma
import pathlib
import sys
import tarfile
import tempfile
import unittest

import api
import processes
from scenario import Scenario

STORES = pathlib.Path(__file__).resolve().parent / "stores"
# What a broker makes anew: the room that it keeps free, the locks, RocksDB's words for people.
LEFT_OUT = ("BALLAST", "IN-USE", "LOCK", "LOG")
DAY_MS = 24 * 3600 * 1000
RUN = [f"of a run {n}".encode() for n in range(8)]
KEYED = {"queue": "stack", "type": "push", "payload": b"once", "request_key": "the key"}


def current_format():
    header = processes.HERE / "../../server/store/data_directory.h"
    return int(header.read_text().split("kFormat = ")[1].split(";")[0])


def archive(number):
    return STORES / f"format-{number}.tar.xz"


def fill(connection):
    """Something of each kind of row that outlives its maker by years."""
    connection.create_queue(name="mail", discipline=api.queue.DISCIPLINE_FIFO)
    letters = api.queue.DeadLetterPolicy(ttl_ms=366 * DAY_MS)
    connection.create_queue(
        name="stack", discipline=api.queue.DISCIPLINE_LIFO, max_tasks=9, dead_letters=letters
    )
    connection.create_queue(name="urgent", discipline=api.queue.DISCIPLINE_PRIORITY)
    common = api.task.TaskSpec(
        queue="mail", type="send", content_type="text/plain", headers={"trace": "7"},
        result_ttl_ms=366 * DAY_MS,
    )
    request = api.tasks.SubmitRunRequest(common=common, payloads=RUN)
    names = [r.task_id for r in api.patiently(connection.tasks.SubmitRun, request).results]
    # Of the run: the first has ended, the second has failed once, the third is held, the fourth is
    # cancelled.
    leased = connection.lease(["mail"], max_tasks=3, lease_ms=1000)
    connection.complete(leased[0], result=b"done")
    error = api.task.TaskError(type="Oops", message="not now")
    connection.complete(leased[1], end=api.workers.ATTEMPT_END_FAILED, error=error)
    cancel = api.tasks.CancelTaskRequest(task_id=names[3])
    api.patiently(connection.tasks.CancelTask, cancel)
    # One fails for good, and is kept.
    connection.submit(
        api.task.TaskSpec(queue="stack", type="fall", payload=b"in vain", result_ttl_ms=0)
    )
    (fallen,) = connection.lease(["stack"])
    error = api.task.TaskError(type="Oops", message="for good", permanent=True)
    connection.complete(fallen, end=api.workers.ATTEMPT_END_FAILED, error=error)


def fill_more(connection):
    connection.submit(api.task.TaskSpec(**KEYED))
    connection.submit(api.task.TaskSpec(queue="stack", type="push", payload=b"on top"))
    for priority in (1, 5, -3):
        connection.submit(
            api.task.TaskSpec(
                queue="urgent", type="act", payload=str(priority).encode(), priority=priority
            )
        )
    connection.submit(
        api.task.TaskSpec(queue="urgent", type="later", payload=b"later", delay_ms=366 * DAY_MS)
    )
    connection.queues.UpdateQueue(api.queue.UpdateQueueRequest(name="urgent", closed=True))
    connection.queues.PauseQueue(api.queue.PauseQueueRequest(name="stack"))


class Format(Scenario):
    def test_every_format_that_is_read_has_a_directory(self):
        self.assertTrue(archive(current_format()).exists(), "format_test.py write makes it")

    def test_what_was_left_is_served(self):
        with tarfile.open(archive(current_format())) as tar:
            tar.extractall(self.folder / "left")
        broker = self.broker(data=self.folder / "left")
        connection = self.connect(broker)
        queues = {q.config.name: q for q in self.queues(connection)}
        self.assertEqual(set(queues), {"mail", "stack", "urgent"})
        self.assertEqual(queues["stack"].config.max_tasks, 9)
        self.assertTrue(queues["stack"].paused)
        self.assertTrue(queues["urgent"].closed)

        # What failed is kept as long as its queue was told.
        (letter,) = api.patiently(
            connection.dead.ListDeadLetters, api.dead.ListDeadLettersRequest(queue="stack")
        ).dead_letters
        self.assertEqual(letter.task.last_error.message, "for good")
        self.assertEqual([a.error.type for a in letter.task.failed_attempts], ["Oops"])
        get = api.dead.GetDeadLetterRequest(task_id=letter.task.task_id)
        kept = api.patiently(connection.dead.GetDeadLetter, get)
        self.assertEqual(kept.payload, b"in vain")
        groups = api.patiently(
            connection.dead.ListDeadLetterGroups, api.dead.ListDeadLetterGroupsRequest()
        ).groups
        self.assertEqual([(g.group, g.count) for g in groups], [(letter.group, 1)])

        # The held one comes back when its lease is over; that and the failed one keep their places.
        found = {}
        while len(found) < len(RUN) - 2:
            for task in connection.lease(["mail"], max_tasks=10):
                found[task.payload] = task
        self.assertEqual(set(found), {RUN[1], RUN[2], *RUN[4:]})
        self.assertEqual(found[RUN[1]].attempt, 2)
        self.assertEqual({task.content_type for task in found.values()}, {"text/plain"})
        self.assertEqual(found[RUN[7]].headers["trace"], "7")
        for task in found.values():
            self.assertEqual(connection.complete(task).code, 0)

        again = api.tasks.SubmitRequest(tasks=[api.task.TaskSpec(**KEYED)])
        (result,) = api.patiently(connection.tasks.Submit, again).results
        self.assertTrue(result.existing)
        connection.queues.ResumeQueue(api.queue.ResumeQueueRequest(name="stack"))
        stack = [task.payload for task in connection.lease(["stack"], max_tasks=10)]
        self.assertEqual(stack, [b"on top", b"once"])
        urgent = connection.lease(["urgent"], types=["act"], max_tasks=10)
        self.assertEqual([task.payload for task in urgent], [b"5", b"1", b"-3"])
        self.assertEqual([task.priority for task in urgent], [5, 1, -3])

    def queues(self, connection):
        return api.patiently(connection.queues.ListQueues, api.queue.ListQueuesRequest()).queues


def write():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="treadle-format-"))
    broker = processes.Broker(folder)
    connection = None
    for put in (fill, fill_more):
        broker.start()
        connection = api.Connection(broker.address)
        put(connection)
        connection.close()
        if put is fill:
            broker.terminate()
    broker.kill()
    STORES.mkdir(exist_ok=True)
    with lzma.open(archive(current_format()), "wb") as out, tarfile.open(
        fileobj=out, mode="w"
    ) as tar:
        for path in sorted(broker.data.rglob("*")):
            if path.is_file() and path.name.split(".old")[0] not in LEFT_OUT:
                tar.add(path, path.relative_to(broker.data))
    print(f"{archive(current_format())}: {archive(current_format()).stat().st_size} bytes")


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    else:
        unittest.main(verbosity=2)
