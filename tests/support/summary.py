#!/usr/bin/env python3
"""summary.py RESULTS.xml...: what ctest skipped and why, then what failed and how, and how many.

Whole tests, and for what was skipped also single cases of the scripts under tests/integration. What
failed comes last: a log of which only the end is kept still names it. Exits with 1 if anything
failed, unless it passed when it was tried again: by the again.xml beside its results.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree

# GoogleTest: "FILE:LINE: Skipped", the reason, "[  SKIPPED ]".
GTEST = re.compile(r": Skipped\n(.*?)\n*\[  SKIPPED \]", re.DOTALL)
# Scripts that exit with SKIP_RETURN_CODE.
SCRIPT = re.compile(r"^SKIPPED: (.*)$", re.MULTILINE)
# unittest: "test_x (module.Class.test_x)", perhaps a line of its docstring, "... skipped 'why'".
CASE = re.compile(r"^(test_\w+) \([^)]*\)(?:\n[^\n]*)? \.\.\. skipped (['\"])(.*)\2$", re.MULTILINE)

# Where a failure's own words begin: GoogleTest's first, unittest's first, a sanitizer's.
FAILURE = re.compile(
    r"^(\S+: Failure|(?:FAIL|ERROR): test_\w+|.*(?:ERROR|WARNING): \w+Sanitizer).*", re.MULTILINE
)
LINES_MAX, COLUMNS_MAX = 20, 200


def is_skipped(case):
    """By its own word: one that has no program, or whose fixture failed, did not run either."""
    found = case.find("skipped")
    return found is not None and found.get("message").startswith("SKIP_")


def skipped(case):
    name, output = name_of(case), case.findtext("system-out") or ""
    if is_skipped(case):
        found = GTEST.search(output) or SCRIPT.search(output)
        yield name, found[1].strip() if found else "it does not say why"
    for found in CASE.finditer(output):
        yield f"{name}: {found[1]}", found[3]


def how_it_failed(case):
    """Some lines from where the failure begins, or the last ones if nothing says where."""
    output = case.findtext("system-out") or ""
    found = FAILURE.search(output)
    lines = [line for line in output[found.start() if found else 0 :].splitlines() if line.strip()]
    lines = lines[:LINES_MAX] if found else lines[-LINES_MAX:]
    return [line[:COLUMNS_MAX] for line in lines]


def name_of(case):
    return case.get("name").split("  # GetParam()")[0]


def cases(path):
    return list(xml.etree.ElementTree.parse(path).getroot().iter("testcase"))


def passed_again(path):
    again = pathlib.Path(path).with_name("again.xml")
    if not again.exists():
        return set()
    return {case.get("name") for case in cases(again) if case.get("status") == "run"}


def main():
    reasons = {}  # the same test may have been skipped under several presets
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for path in sys.argv[1:]:
        passed = passed_again(path)
        for case in cases(path):
            for name, reason in skipped(case):
                reasons.setdefault((name, " ".join(reason.split())), None)
            if is_skipped(case):
                counts["skipped"] += 1
            elif case.get("status") == "run":
                counts["passed"] += 1
            elif case.get("name") in passed:
                counts["passed"] += 1
                failures.append(("failed, and passed when it was tried again", path, case))
            else:
                counts["failed"] += 1
                failures.append(("FAILED", path, case))
    for name, reason in reasons:
        print(f"skipped: {name}: {reason}")
    for how, path, case in failures:
        print(f"{how}: {name_of(case)} ({path})")
        for line in how_it_failed(case):
            print(f"  {line}")
    print(", ".join(f"{count} {how}" for how, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
