#!/usr/bin/env python3
"""Checks names, sizes and shape of the tree's files; what a formatter does not see."""

import pathlib
import posixpath
import re
import sys

import tree

LINES_MAX = 700
COLUMNS_MAX = 100
CODE = (".h", ".cc", ".proto", ".py", ".mjs", ".ts", ".tsx", ".css", ".sh", ".cmake")
FOLDERS = {"proto", "server", "worker", "client", "tests", "deploy"}
TOP_FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", "LICENSE"}

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\.[a-z]+|[a-z0-9][a-z0-9-]*\.sh")
VAGUE_TYPE = re.compile(r"^\s*(?:class|struct)\s+(\w*(?:Manager|Helper|Utils?))\b")
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
LEFT_TO_DO = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def check_shape(name, text):
    """Problems of one text file as 'file:line: why'."""
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield f"{name}:{len(lines)}: no newline at the end"
    # What a program writes is not read from top to bottom.
    if len(lines) - 1 > LINES_MAX and "do not edit" not in lines[0]:
        yield f"{name}:1: {len(lines) - 1} lines, more than {LINES_MAX}: split it by subject"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield f"{name}:{number}: a tab: use spaces"
        if line != line.rstrip():
            yield f"{name}:{number}: space at the end of the line"
        # An include or a URL cannot be broken.
        if len(line) > COLUMNS_MAX and "http" not in line and not line.startswith("#include"):
            yield f"{name}:{number}: {len(line)} columns, more than {COLUMNS_MAX}"
        if LEFT_TO_DO.search(line):
            yield f"{name}:{number}: work left to do: do it, or leave the note out"


def check_header(name, text):
    code = re.sub(r"^(?:\s*//[^\n]*\n|\s*\n)*", "", text)
    if not code.startswith("#pragma once\n"):
        yield f"{name}:1: a header begins with #pragma once"


def check_internal(name, text):
    # What users may not name says so in each of its names.
    for number, line in enumerate(text.split("\n"), 1):
        if line == "namespace treadle {":
            yield f"{name}:{number}: what an internal header declares is in a namespace of its own"


def check_types(name, text):
    for number, line in enumerate(text.split("\n"), 1):
        match = VAGUE_TYPE.match(line)
        if match:
            yield f"{name}:{number}: '{match[1]}' says nothing: name what it is in the domain"


def check_code(name, text):
    if not FILE_NAME.fullmatch(name.rsplit("/", 1)[-1]):
        yield f"{name}:1: file names are lower case with underscores"
    yield from check_shape(name, text)
    if name.endswith(".h"):
        yield from check_header(name, text)
        if "/include/treadle/internal/" in name:
            yield from check_internal(name, text)
    if name.endswith((".h", ".cc")):
        yield from check_types(name, text)


def check_links(name, text, names):
    """Links of a page to files of the tree; `names` are all of these."""
    for number, line in enumerate(text.split("\n"), 1):
        for link in LINK.findall(line):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            if "://" not in link and not any(n == path or n.startswith(path + "/") for n in names):
                yield f"{name}:{number}: there is no {path}: where has it gone?"


def check_top_level(names):
    for entry in tree.top_level(names):
        if not (entry.startswith(".") or entry in FOLDERS or entry in TOP_FILES):
            yield f"{entry}: does not belong at the top: a file lives beside what it is about"


def check(root, names):
    problems = list(check_top_level(names))
    for name in names:
        if name.endswith((".cpp", ".cxx", ".hpp", ".hxx", ".c++")):
            problems.append(f"{name}: sources end in .cc, headers in .h")
        elif name.endswith(".md"):
            problems += check_links(name, (root / name).read_text(encoding="utf-8"), names)
        elif name.endswith(CODE):
            problems += check_code(name, (root / name).read_text(encoding="utf-8"))
    return problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT
    names = tree.files(root)
    problems = check(root, names)
    print("\n".join(problems))
    print(f"file rules: {len(names)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
