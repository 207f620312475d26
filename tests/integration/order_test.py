#!/usr/bin/env python3
"""FIFO, LIFO and PRIORITY order over 100,000 tasks with one slot, also across a broker restart."""

import os
import random
import unittest

import api
import processes
from scenario import Scenario

TASKS = int(os.environ.get("TREADLE_ORDER_TASKS", 100_000))
BATCH = 10_000
PRIORITIES = [-(2**31), -7, -1, 0, 0, 1, 2, 3, 100, 2**31 - 1]
# The three orders are checked at once, each with a worker of its own.
DISCIPLINES = {
    "fifo": api.queue.DISCIPLINE_FIFO,
    "lifo": api.queue.DISCIPLINE_LIFO,
    "priority": api.queue.DISCIPLINE_PRIORITY,
}


class Order(Scenario):
    def test_order_holds_across_a_broker_restart_in_the_middle(self):
        broker = self.broker()
        connection = self.connect(broker)
        wanted = {name: self.submit_all(connection, name) for name in DISCIPLINES}
        files = {name: self.folder / f"{name}.begun" for name in DISCIPLINES}
        workers = [
            self.own(
                processes.Script(
                    self.folder, name, "one_slot_worker.py", broker.address, name, TASKS,
                    files[name],
                )
            ).start()
            for name in DISCIPLINES
        ]

        def begun(name):
            return files[name].stat().st_size if files[name].exists() else 0

        def half_way():
            self.assertTrue(all(w.running() or w.wait() == 0 for w in workers), "a worker died")
            return all(begun(name) > TASKS * 3 for name in DISCIPLINES)  # of 6 bytes or so each

        limit_s = processes.LIMIT_S + TASKS // 100
        processes.wait_until(half_way, "half of the tasks", limit_s)
        broker.restart()
        for worker in workers:
            self.assertEqual(worker.wait(limit_s), 0, worker.tail())
        for name in DISCIPLINES:
            self.compare(name, files[name].read_text().split(), wanted[name])

    def submit_all(self, connection, name):
        """Submits, and tells in which order the tasks' numbers must begin."""
        connection.create_queue(name=name, discipline=DISCIPLINES[name])
        chance = random.Random(7)
        priorities = [chance.choice(PRIORITIES) if name == "priority" else 0 for _ in range(TASKS)]
        for start in range(0, TASKS, BATCH):
            connection.submit(
                *(
                    api.task.TaskSpec(
                        queue=name,
                        type="none",
                        payload=str(number).encode(),
                        priority=priorities[number],
                        durability=api.task.DURABILITY_WRITTEN,
                    )
                    for number in range(start, min(start + BATCH, TASKS))
                )
            )
        numbers = list(range(TASKS))
        if name == "lifo":
            numbers.reverse()
        return [str(n) for n in sorted(numbers, key=lambda n: -priorities[n])]

    def compare(self, name, begun, wanted):
        self.assertEqual(len(begun), TASKS, f"{name}: tasks begun")
        for place, (one, other) in enumerate(zip(begun, wanted)):
            self.assertEqual(one, other, f"{name}: the task that began as number {place}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
