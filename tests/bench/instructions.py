#!/usr/bin/env python3
"""How many instructions the engine executes for a task, in each of its three steps, alone, in turns
of 1,000, and in runs of as many: counted by callgrind, so they are the same on a slow machine.
Compared with what tests/bench/instructions.txt has; a rise over 10 % fails.

    tests/bench/instructions.py            compares
    tests/bench/instructions.py --write    writes the file anew, when a change is meant
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("TREADLE_BIN", HERE.parents[1] / "build/default/bin"))
KEPT = HERE / "instructions.txt"
RISE_MAX = 0.10
STEPS = ("submit", "dispatch", "complete")
TASKS_OF_TURN = {"1": 2_000, "1000": 10_000, "run 1000": 10_000}
SKIPPED = 77


def count(step, turn):
    """Instructions for one task."""
    tasks = TASKS_OF_TURN[turn]
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         f"--toggle-collect=engine_bench_{step}", BIN / "engine_bench", *turn.split(), str(tasks)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    collected = re.search(r"Collected *: *(\d+)", done.stdout)
    if done.returncode != 0 or not collected:
        raise SystemExit(f"engine_bench under callgrind ended with {done.returncode}:\n"
                         + done.stdout[-4000:])
    return round(int(collected[1]) / tasks, 1)


def read_kept():
    rows = (line.split() for line in KEPT.read_text(encoding="utf-8").splitlines())
    return {(row[0], " ".join(row[1:-1])): float(row[-1]) for row in rows if row and row[0] != "#"}


def main():
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        sys.exit(SKIPPED)
    counted = {(step, turn): count(step, turn) for turn in TASKS_OF_TURN for step in STEPS}
    if sys.argv[1:] == ["--write"]:
        lines = [f"{step} {turn} {number}" for (step, turn), number in counted.items()]
        KEPT.write_text("# Instructions of the engine for one task: step, tasks in a turn, count.\n"
                        "# Written by tests/bench/instructions.py --write.\n"
                        + "\n".join(lines) + "\n", encoding="utf-8")
    kept = read_kept()
    risen = []
    for (step, turn), number in counted.items():
        before = kept[step, turn]
        change = number / before - 1
        print(f"{step:<9} {turn:>8} in a turn: {number:>7} instructions for a task, "
              f"{before} before ({change:+.1%})")
        if change > RISE_MAX:
            risen.append(f"{step} ({turn} in a turn): from {before} to {number}")
    if risen:
        print("The engine executes over 10 % more for a task: " + "; ".join(risen) + ".")
        print("Mend it, or, if it is meant, run tests/bench/instructions.py --write, and say why "
              "in the commit.")
        sys.exit(1)


if __name__ == "__main__":
    main()
