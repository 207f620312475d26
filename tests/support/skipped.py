#!/usr/bin/env python3
"""skipped.py RESULTS.xml...: what ctest ran and skipped, a line each: its name, and why.

Whole tests, and single cases of the scripts under tests/integration.
"""

import re
import sys
import xml.etree.ElementTree

# GoogleTest: "FILE:LINE: Skipped", the reason, "[  SKIPPED ]".
GTEST = re.compile(r": Skipped\n(.*?)\n*\[  SKIPPED \]", re.DOTALL)
# Scripts that exit with SKIP_RETURN_CODE.
SCRIPT = re.compile(r"^SKIPPED: (.*)$", re.MULTILINE)
# unittest: "test_x (module.Class.test_x)", perhaps a line of its docstring, "... skipped 'why'".
CASE = re.compile(r"^(test_\w+) \([^)]*\)(?:\n[^\n]*)? \.\.\. skipped (['\"])(.*)\2$", re.MULTILINE)


def skipped(path):
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name").split("  # GetParam()")[0]
        output = case.findtext("system-out") or ""
        if case.find("skipped") is not None:
            found = GTEST.search(output) or SCRIPT.search(output)
            yield name, found[1].strip() if found else "it does not say why"
        for found in CASE.finditer(output):
            yield f"{name}: {found[1]}", found[3]


def main():
    lines = {}  # the same test may have been skipped under several presets
    for path in sys.argv[1:]:
        for name, reason in skipped(path):
            lines.setdefault((name, " ".join(reason.split())), None)
    for name, reason in lines:
        print(f"skipped: {name}: {reason}")


if __name__ == "__main__":
    main()
