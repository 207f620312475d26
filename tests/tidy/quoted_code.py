#!/usr/bin/env python3
"""Checks that code which a page quotes is the code of the example that it names.

A comment before a block of code names a file and a part of it: <!-- quoted: FILE [part] -->. In the
file the part lies between two lines that are `// [part]` alone.
"""

import pathlib
import re
import sys
import textwrap

import tree

QUOTE = re.compile(r"<!-- quoted: (\S+) \[(\w+)\] -->\n```cpp\n(.*?)```\n", re.DOTALL)
MENTION = re.compile(r"<!-- quoted:")


def part(text, name):
    """The lines between the two marks; None: there are not two."""
    pieces = re.split(rf"^// \[{name}\]\n", text, flags=re.MULTILINE)
    return textwrap.dedent(pieces[1]) if len(pieces) == 3 else None


def check(root, pages):
    """Every problem as 'file:line: why', and how many quotes there are."""
    problems = []
    count = 0
    for page in pages:
        text = (root / page).read_text(encoding="utf-8")
        quotes = list(QUOTE.finditer(text))
        count += len(quotes)
        if len(quotes) != len(MENTION.findall(text)):
            problems.append(f"{page}:1: a quote is not followed by a block of cpp")
        for quote in quotes:
            where = f"{page}:{text.count(chr(10), 0, quote.start()) + 1}:"
            file, name, code = quote.groups()
            if not (root / file).is_file():
                problems.append(f"{where} there is no {file}")
                continue
            wanted = part((root / file).read_text(encoding="utf-8"), name)
            if wanted is None:
                problems.append(f"{where} {file} has no part [{name}]")
            elif wanted != code:
                problems.append(f"{where} differs from [{name}] of {file}: copy it")
    return problems, count


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT
    pages = [name for name in tree.files(root) if name.endswith(".md")]
    problems, count = check(root, pages)
    print("\n".join(problems))
    print(f"quoted code: {count} quotes, {len(problems)} problems")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
