#!/usr/bin/env python3
"""The file rules themselves: each catches what it is there for."""

import unittest

import file_rules


class FileRules(unittest.TestCase):
    def caught(self, name, text, why):
        problems = list(file_rules.check_code(name, text))
        self.assertTrue(any(why in problem for problem in problems), problems)

    def test_a_tidy_header_passes(self):
        text = "// Why it is here.\n\n#pragma once\n\nclass LeaseTable;\n"
        self.assertEqual(list(file_rules.check_code("server/engine/lease_table.h", text)), [])

    def test_shape(self):
        self.caught("server/a.cc", "int\ta;\n", "a tab")
        self.caught("server/a.cc", "int a; \n", "space at the end")
        self.caught("server/a.cc", "int a;", "no newline")
        self.caught("server/a.cc", "//" + "x" * 99 + "\n", "101 columns")
        self.caught("server/a.cc", "int a;\n" * 701, "701 lines")
        made = "// Made by a program: do not edit.\n" + "int a;\n" * 701
        self.assertEqual(list(file_rules.check_code("server/a.cc", made)), [])
        self.caught("server/a.cc", "// TO" + "DO: later\n", "left to do")

    def test_names(self):
        self.caught("server/LeaseTable.cc", "\n", "lower case")
        self.caught("server/a.h", "#pragma once\nclass LeaseManager {\n", "'LeaseManager'")
        self.caught("server/a.h", "#pragma once\nstruct StringUtil;\n", "'StringUtil'")

    def test_headers_begin_with_pragma_once(self):
        self.caught("server/a.h", "#include <vector>\n#pragma once\n", "#pragma once")
        self.caught("server/a.h", "", "#pragma once")

    def test_internal_headers_have_a_namespace_of_their_own(self):
        text = "#pragma once\n\nnamespace treadle {\nclass ItemQueue;\n}  // namespace treadle\n"
        self.caught("client/include/treadle/internal/a.h", text, "a namespace of its own")
        self.assertEqual(list(file_rules.check_code("client/include/treadle/a.h", text)), [])

    def test_links_lead_somewhere(self):
        names = ["client/README.md", "client/include/treadle/client.h", "server/README.md"]
        text = "[a](include/treadle/client.h) [b](../server/README.md#flags) [c](../server)\n"
        self.assertEqual(list(file_rules.check_links(names[0], text + "[d](https://x)", names)), [])
        problems = list(file_rules.check_links(names[0], text + "[e](client.h)\n", names))
        self.assertEqual(len(problems), 1)
        self.assertIn("client/README.md:2: there is no client/client.h", problems[0])

    def test_the_top_holds_what_belongs_there(self):
        allowed = ["README.md", "CMakeLists.txt", ".clang-tidy", ".ci/run", "server/main.cc"]
        self.assertEqual(list(file_rules.check_top_level(allowed)), [])
        for stray in ("docs/design.md", "notes.txt", "scripts/a.sh"):
            self.assertEqual(len(list(file_rules.check_top_level(allowed + [stray]))), 1)


if __name__ == "__main__":
    unittest.main()
