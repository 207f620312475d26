#!/usr/bin/env python3
"""Tests of quoted_code.py."""

import pathlib
import tempfile
import unittest

import quoted_code

CODE = "// [part]\nint x = 1;\n// [part]\n"


class QuotedCode(unittest.TestCase):
    def problems(self, page, code=CODE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "a.cc").write_text(code)
            (root / "page.md").write_text(page)
            return quoted_code.check(root, ["page.md"])[0]

    def test_the_same_code_is_fine(self):
        page = "Text\n<!-- quoted: a.cc [part] -->\n```cpp\nint x = 1;\n```\n"
        self.assertEqual(self.problems(page), [])

    def test_other_code_is_not(self):
        page = "<!-- quoted: a.cc [part] -->\n```cpp\nint x = 2;\n```\n"
        self.assertEqual(
            self.problems(page), ["page.md:1: differs from [part] of a.cc: copy it"]
        )

    def test_what_is_named_is_there(self):
        page = "<!-- quoted: a.cc [other] -->\n```cpp\nint x = 1;\n```\n"
        self.assertEqual(self.problems(page), ["page.md:1: a.cc has no part [other]"])
        page = "<!-- quoted: b.cc [part] -->\n```cpp\nint x = 1;\n```\n"
        self.assertEqual(self.problems(page), ["page.md:1: there is no b.cc"])

    def test_a_quote_has_its_code(self):
        page = "<!-- quoted: a.cc [part] -->\nint x = 1;\n"
        self.assertEqual(
            self.problems(page), ["page.md:1: a quote is not followed by a block of cpp"]
        )


if __name__ == "__main__":
    unittest.main()
