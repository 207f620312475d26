#!/usr/bin/env python3
"""What every program says of itself: its help texts and its manual page."""

import shutil
import subprocess
import unittest

import processes


class Help(unittest.TestCase):
    def test_a_help_text_that_cannot_be_written_is_an_error_of_every_program(self):
        for program in ("treadle", "treadle-server", "treadle-worker"):
            for flag in ("--help", "--version", "--man"):
                with open("/dev/full", "w", encoding="utf-8") as full:
                    ran = subprocess.run([processes.BIN / program, flag], stdout=full,
                                         stderr=subprocess.PIPE, text=True, check=False,
                                         timeout=processes.LIMIT_S)
                self.assertNotEqual(ran.returncode, 0, (program, flag))
                self.assertIn("cannot write to standard output", ran.stderr)

    def test_every_help_text_fits_a_terminal(self):
        def helps(*words):
            text = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True,
                                  timeout=processes.LIMIT_S).stdout
            yield words, text
            commands = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
            for line in commands.splitlines():
                if line[2] != " ":
                    yield from helps(*words, line.split()[0].rstrip(","))

        seen = 0
        for program in ("treadle", "treadle-server", "treadle-worker"):
            for words, text in helps(processes.BIN / program):
                seen += 1
                for line in text.splitlines():
                    self.assertLess(len(line), 80, f"{words}: {line}")
        self.assertGreater(seen, 30)

    def test_the_manual_page_of_every_program_is_read_without_a_warning(self):
        if shutil.which("groff") is None:
            self.skipTest("there is no groff")
        for program, flag in (("treadle", "__man"), ("treadle-server", "--man"),
                              ("treadle-worker", "--man")):
            page = subprocess.run([processes.BIN / program, flag], capture_output=True,
                                  timeout=processes.LIMIT_S, check=True).stdout
            read = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-ww"], input=page,
                                  capture_output=True, timeout=processes.LIMIT_S, check=True)
            self.assertEqual(read.stderr, b"", program)
            self.assertIn(b"SYNOPSIS", read.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
