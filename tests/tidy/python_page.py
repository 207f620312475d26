#!/usr/bin/env python3
"""Checks client/python-to-treadle.md: its rows cover Python's modules, and their tests exist."""

import asyncio
import concurrent.futures
import multiprocessing.pool
import pathlib
import queue
import re
import sys

import tree

PAGE = "client/python-to-treadle.md"
TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
NAMED_TEST = re.compile(r"`(\w+\.\w+)`")


def methods(cls):
    name = cls.__name__
    return {f"{name}.{method}" for method in vars(cls) if not method.startswith("_")}


def required():
    """The names that each section must have a row for."""
    pool = multiprocessing.pool
    coroutines = "gather wait wait_for as_completed timeout TaskGroup shield Queue"
    threads = "Thread Lock Semaphore Event"
    # Newer than the Python that may run this.
    names = {"queue": {"ShutDown", "Queue.shutdown", "Queue.maxsize", "SimpleQueue.qsize"}}
    names["queue"] |= set(queue.__all__) | methods(queue.Queue)
    names["queue"] |= {f"SimpleQueue.{name}" for name in dir(queue.SimpleQueue) if name[0] != "_"}
    names["concurrent.futures"] = (
        set(concurrent.futures.__all__)
        | methods(concurrent.futures.Executor)
        | methods(concurrent.futures.Future)
        | {"thread.BrokenThreadPool", "process.BrokenProcessPool", "InvalidStateError"}
    )
    results = {name.replace("ApplyResult", "AsyncResult") for name in methods(pool.ApplyResult)}
    names["multiprocessing"] = set(pool.__all__) | methods(pool.Pool) | results
    names["threading"] = set(threads.split())
    names["asyncio"] = set(coroutines.split()) | methods(asyncio.Queue) | {"Queue.shutdown"}
    return names


def rows(text):
    """Each table row as (line number, section, cells)."""
    section = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("## "):
            section = line[3:].strip()
        elif line.startswith("| `"):
            yield number, section, [cell.strip() for cell in line.strip("|").split("|")]


def check(text, tests, names):
    """Every problem of the page as 'file:line: why'."""
    found = {section: set() for section in names}
    for number, section, cells in rows(text):
        where = f"{PAGE}:{number}:"
        if len(cells) != 4:
            yield f"{where} {len(cells)} cells, not 4"
            continue
        found.setdefault(section, set()).update(NAME.findall(cells[0]))
        shown_by = NAMED_TEST.findall(cells[3])
        for name in shown_by:
            if name not in tests:
                yield f"{where} there is no test {name}"
        if not shown_by and not cells[2].startswith("No counterpart: "):
            yield f"{where} names no test, and does not say why: 'No counterpart: ...'"
    for section, wanted in names.items():
        for name in sorted(wanted - found[section]):
            yield f"{PAGE}:1: no row for {section}'s {name}"


def tests_of(root, names):
    found = set()
    for name in names:
        if name.startswith("tests/") and name.endswith(".cc"):
            text = (root / name).read_text(encoding="utf-8")
            found |= {f"{suite}.{case}" for suite, case in TEST.findall(text)}
    return found


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT
    text = (root / PAGE).read_text(encoding="utf-8")
    problems = list(check(text, tests_of(root, tree.files(root)), required()))
    print("\n".join(problems))
    print(f"python page: {len(list(rows(text)))} rows, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
