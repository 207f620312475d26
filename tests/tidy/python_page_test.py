#!/usr/bin/env python3
"""The check of the Python page itself: each rule catches what it is there for."""

import unittest

import python_page

NAMES = {"queue": {"Queue", "Queue.put"}}
TESTS = {"QueueTest.Puts"}
GOOD = """## queue
| `Queue` | `Queue<T>` | none | `QueueTest.Puts` |
| `Queue.put` | none | No counterpart: nobody puts. | |
"""


class PythonPage(unittest.TestCase):
    def caught(self, text, why):
        problems = list(python_page.check(text, TESTS, NAMES))
        self.assertTrue(any(why in problem for problem in problems), problems)

    def test_a_whole_page_passes(self):
        self.assertEqual(list(python_page.check(GOOD, TESTS, NAMES)), [])

    def test_a_missing_row_is_caught(self):
        text = "## queue\n| `Queue` | a | b | `QueueTest.Puts` |\n"
        self.caught(text, "no row for queue's Queue.put")

    def test_a_test_that_is_not_there_is_caught(self):
        self.caught(GOOD.replace("Puts", "Gets"), "there is no test QueueTest.Gets")

    def test_a_row_must_show_or_tell(self):
        self.caught(GOOD.replace("No counterpart", "None"), "names no test")
        self.caught(GOOD.replace(" | |", " |"), "3 cells")


if __name__ == "__main__":
    unittest.main()
