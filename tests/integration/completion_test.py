#!/usr/bin/env python3
"""Each shell, asked for what may stand in the place of a word, with the script that treadle prints
for it."""

import os
import pty
import shutil
import subprocess
import unittest

import processes
from scenario import Scenario

COMMANDS = ["submit", "result", "wait", "watch", "follow", "list", "show", "explain", "payload",
            "cancel"]  # fmt: skip

BASH = """
    source <(treadle completion bash)
    # Bash gives the function the words broken at these, and what it offers follows the last break.
    line=$1
    read -ra COMP_WORDS <<< "${line//[:=]/ & }"
    [[ $line == *[[:space:]:=] ]] && COMP_WORDS+=("")
    COMP_LINE=$line COMP_POINT=${#line} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _treadle
    printf '%s\\n' "${COMPREPLY[@]}"
"""

FISH = 'treadle completion fish | source; complete -C "$argv[1]"'

# Completion is the line editor's: a shell at a terminal, where a key is pressed. What is offered
# goes into a file; its last line is the command line as it is then.
ZSH = """
    unsetopt beep
    autoload -Uz compinit && compinit -u -D
    source <(treadle completion zsh)
    compadd() {
      local -a hits
      # With one of these it is asked what fits, and adds nothing.
      (( ${argv[(I)-[OAD]]} )) || builtin compadd -O hits "$@"
      print -lr -- $hits >> $OFFERED
      builtin compadd "$@"
    }
    press-tab() {
      BUFFER=$LINE_TO_COMPLETE CURSOR=${#LINE_TO_COMPLETE}
      zle complete-word
      print -r -- "=$BUFFER" >> $OFFERED
    }
    zle -N press-tab
    bindkey '^T' press-tab
    print ready >> $READY
"""


class Completion(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.home = self.folder / "home"
        self.home.mkdir()
        self.env = {**os.environ, "TREADLE_BROKER": self.server.address, "HOME": str(self.home),
                    "PATH": f"{processes.BIN}:{os.environ['PATH']}", "TERM": "xterm",
                    "XDG_CONFIG_HOME": str(self.home), "ZDOTDIR": str(self.home)}
        subprocess.run([processes.BIN / "treadle", "queue", "create", "cloth:fine"],
                       env=self.env, check=True, timeout=processes.LIMIT_S,
                       stdout=subprocess.DEVNULL)

    def output_of(self, *command):
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env=self.env, timeout=processes.LIMIT_S, cwd=self.folder, check=False)
        self.assertEqual(ran.stderr, "", command)
        # Behind a tab fish has what the word is about.
        return [line.split("\t")[0] for line in ran.stdout.splitlines() if line]

    def bash(self, line):
        return self.output_of("bash", "-c", BASH, "bash", line)

    def fish(self, line):
        return self.output_of("fish", "--no-config", "-c", FISH, line)

    def zsh_line(self, line):
        """What is offered, and the line behind it."""
        offered, ready = self.folder / "offered", self.folder / "ready"
        for file in (offered, ready):
            file.unlink(missing_ok=True)
        (self.home / ".zshrc").write_text(ZSH)
        parent, terminal = pty.openpty()
        child = subprocess.Popen(
            ["zsh", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, cwd=self.folder,
            env={**self.env, "OFFERED": str(offered), "READY": str(ready),
                 "LINE_TO_COMPLETE": line}, start_new_session=True)
        os.close(terminal)

        def answer():
            lines = offered.read_text().splitlines() if offered.exists() else []
            return lines if lines and lines[-1].startswith("=") else None

        try:
            processes.wait_until(ready.exists, "zsh to start")
            os.write(parent, b"\x14")
            lines = processes.wait_until(answer, "zsh to complete")
        finally:
            child.kill()
            child.wait()
            os.close(parent)
        return [word for word in lines[:-1] if word], lines[-1][1:]

    def zsh(self, line):
        return self.zsh_line(line)[0]

    def check(self, offered, breaks="", files=("items.txt",)):
        """`breaks`: where the shell's words end besides blanks, and what is offered begins;
        `files`: what it is told where a file's name is wanted."""
        def whole(*words):
            return [word[max((word.rfind(c) for c in breaks), default=-1) + 1:] for word in words]

        (self.folder / "items.txt").touch()
        self.assertEqual(sorted(offered("treadle task ")), sorted(COMMANDS))
        self.assertEqual(offered("treadle queue sh"), ["show"])
        self.assertEqual(offered("treadle queue show clo"), ["cloth:fine"])
        self.assertEqual(offered("treadle queue show cloth:f"), whole("cloth:fine"))
        self.assertEqual(sorted(offered("treadle task list --output js")), ["json", "jsonl"])
        self.assertEqual(sorted(offered("treadle task list --output=js")),
                         whole("--output=json", "--output=jsonl"))
        self.assertEqual(offered("treadle task list sta"), ["state:"])
        self.assertEqual(offered("treadle task list state:fai"), whole("state:failed"))
        self.assertEqual(offered("treadle dead list cloth dead:y"), whole("dead:yes"))
        self.assertEqual(offered("treadle map --jobl"), ["--joblog"])
        self.assertEqual(offered("treadle map --items ite"), list(files))
        self.assertEqual(offered("treadle map -- ite"), list(files))
        self.assertEqual(offered("treadle map --colsep x"), [])

    def test_bash(self):
        # Names of files are readline's to complete.
        self.check(self.bash, breaks="=:", files=())

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        self.check(self.zsh)
        for begun, whole in (("queue sh", "queue show "),
                             ("queue show cl", "queue show cloth:fine "),
                             ("task list sta", "task list state:"),
                             ("task list --state=ca", "task list --state=cancelled ")):
            self.assertEqual(self.zsh_line("treadle " + begun)[1], "treadle " + whole)

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        self.check(self.fish)


if __name__ == "__main__":
    unittest.main()
