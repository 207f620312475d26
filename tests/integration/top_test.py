#!/usr/bin/env python3
"""`treadle top` on a terminal that tmux draws, beside a broker and a worker."""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

import api
import processes
from scenario import Scenario

USAGE, UNREACHABLE, INTERRUPTED, TERMINATED = 2, 4, 130, 143


class Screen:
    """A terminal with a shell in it."""

    def __init__(self, folder, columns, rows, **env):
        self.socket = folder / "tmux"
        env = {**os.environ, "PATH": f"{processes.BIN}:{os.environ['PATH']}", "PS1": "$ ", **env}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "bash", "--norc", "--noprofile", env=env)

    def tmux(self, *words, env=None):
        env = {**(env or os.environ), "LC_ALL": "C.UTF-8"}
        env.pop("TMUX", None)
        return subprocess.run(["tmux", "-S", self.socket, *words], env=env, check=True, text=True,
                              stdout=subprocess.PIPE, timeout=processes.LIMIT_S).stdout

    def close(self):
        self.tmux("kill-server")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def press(self, *keys):
        """Names of keys as tmux has them: Enter, Escape, Down, C-c; other words are typed."""
        for key in keys:
            self.tmux("send-keys", key)

    def run(self, command):
        self.tmux("send-keys", "-l", command)
        self.press("Enter")

    def text(self):
        return self.tmux("capture-pane", "-p")

    def state(self, what):
        return self.tmux("display-message", "-p", f"#{{{what}}}").strip()

    def has(self, *patterns):
        """Waits until the screen has them all."""
        def found():
            text = self.text()
            return all(re.search(pattern, text) for pattern in patterns) and text
        try:
            return processes.wait_until(found, f"the screen to have {patterns}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def program(self):
        """The id of what the shell runs."""
        shell = self.state("pane_pid")
        children = pathlib.Path("/proc", shell, "task", shell, "children")
        return int(processes.wait_until(lambda: children.read_text().split(), "a program")[0])


class Top(Scenario):
    def setUp(self):
        super().setUp()
        self.server = self.broker()
        self.connection = self.connect(self.server)

    def screen(self, columns=80, rows=24, **env):
        screen = Screen(self.folder, columns, rows, TREADLE_BROKER=self.server.address, **env)
        self.addCleanup(screen.close)
        screen.has(r"\$")
        return screen

    def given_back(self, screen, command="treadle top"):
        """The terminal is as it was before, with the command in sight."""
        screen.has(rf"(?m)^\$ {command}")
        self.assertEqual(screen.state("alternate_on"), "0")
        self.assertEqual(screen.state("cursor_flag"), "1")
        self.assertEqual(screen.state("wrap_flag"), "1")
        screen.run("clear; stty -a | grep -oE -- ' -?(echo|icanon) ' | xargs echo mode:")
        screen.has(r"(?m)\Amode: icanon echo$")

    def code(self, screen):
        screen.run("echo code=$?")
        return int(re.search(r"(?m)^code=(\d+)$", screen.has(r"(?m)^code=\d+$"))[1])

    def treadle(self, *words, **options):
        return subprocess.run(
            [processes.BIN / "treadle", f"--broker={self.server.address}", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=processes.LIMIT_S, **options)

    def submit(self, queue, count=1):
        self.connection.submit(*[api.task.TaskSpec(queue=queue, type="send")] * count)

    def test_shows_what_there_is_and_pauses_a_queue(self):
        self.worker(self.server.address, "--allow-exec=/usr/bin/false", name="loom-1")
        failed = self.treadle("submit", "--wait", "--", "/usr/bin/false")
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.submit("mail", 3)
        screen = self.screen()
        screen.run("treadle top --interval 200ms")
        screen.has(re.escape(self.server.address), "queue 'mail': 3 tasks wait and no worker",
                   r"(?m)^> mail +open +3 ", r"(?m)^  default", r"(?m)^  loom-1 +connected")

        screen.press("j")
        screen.has(r"(?m)^> default")
        screen.press("/", "MA")
        screen.has(r"(?m)^> mail", r"(?m)^/MA_")
        screen.press("Enter", "Enter")
        screen.has(r"QUEUE  mail  FIFO  open", "OLDEST TASKS", r"QUEUED .*(worker|[Nn]obody)")
        screen.press("p")
        screen.has(r"Pause queue 'mail'\? y/n")
        screen.press("y")
        screen.has(r"QUEUE  mail  FIFO  paused for")
        self.assertTrue(self.queue("mail").paused)
        screen.press("p", "n")
        self.assertTrue(self.queue("mail").paused)

        screen.press("q")
        screen.has(r"(?m)^> mail +paused", ", with 'MA'")
        screen.press("Escape")
        screen.has(r"(?m)^  default")
        screen.press("g", "w")
        screen.has(r"WORKERS  1", r"(?m)^> loom-1 +connected")
        screen.press("g", "d")
        screen.has(r"DEAD-LETTER GROUPS  1", "exit status 1")
        screen.press("Enter")
        screen.has(r"QUEUE  default", "NO UNFINISHED TASKS", "DEAD-LETTER GROUPS  1")
        screen.press("?")
        screen.has("KEYS", "pause the queue")
        screen.press("g", "q", "s")
        screen.has(r"QUEUES  2, by running")
        screen.press("q")
        self.given_back(screen)

    def queue(self, name):
        return self.connection.queues.GetQueue(api.queue.GetQueueRequest(name=name)).queue

    def test_draws_itself_anew_when_the_terminal_changes_its_size(self):
        self.submit("mail")
        screen = self.screen()
        screen.run("treadle top")
        screen.has(r"(?m)^> mail", r"(?m)^q quit")
        self.assertNotIn("DISCIPLINE", screen.text())
        screen.resize(200, 50)
        self.assertEqual(len(screen.has("DISCIPLINE", r"g o\|q\|w\|d\n*\Z").splitlines()), 50)
        screen.resize(40, 10)
        lines = screen.has(r"(?m)^> mail", r"(?m)^q quit.*\n*\Z").splitlines()
        self.assertEqual(len(lines), 10)
        self.assertNotIn("DISCIPLINE", screen.text())
        screen.press("q")
        self.given_back(screen)

    def test_keeps_what_it_has_while_the_broker_is_away(self):
        self.connection.queues.CreateQueue(
            api.queue.CreateQueueRequest(config=api.queue.QueueConfig(name="mail")))
        screen = self.screen()
        screen.run("treadle top --interval 200ms")
        screen.has("all is well", r"(?m)^> mail")
        self.server.kill()
        screen.has("! not reached for", r"(?m)^> mail")
        self.server.start()
        screen.has("all is well", r"(?m)^> mail")
        # One that accepts connections and says nothing.
        self.server.pause()
        screen.has("! not reached for", r"(?m)^> mail")
        self.server.resume()
        screen.has("all is well")
        self.server.pause()
        screen.press("q")  # does not wait for it
        self.given_back(screen)
        self.server.resume()

    def test_signals_give_the_terminal_back(self):
        screen = self.screen()
        for end, code in (("C-c", INTERRUPTED), (signal.SIGTERM, TERMINATED)):
            screen.run("treadle top")
            screen.has("all is well")
            if end == "C-c":
                screen.press(end)
            else:
                os.kill(screen.program(), end)
            screen.has(r"(?m)^\$ treadle top")
            self.assertEqual(self.code(screen), code)
            self.given_back(screen)

    def test_can_be_stopped_and_goes_on(self):
        screen = self.screen()
        screen.run("treadle top")
        screen.has("all is well")
        screen.press("C-z")
        screen.has(r"Stopped +treadle top")
        self.given_back(screen)
        screen.run("fg")
        screen.has("all is well", r"(?m)^q quit")
        self.assertEqual(screen.state("alternate_on"), "1")
        screen.press("q")
        self.given_back(screen, "fg")

    def test_once_is_text(self):
        self.submit("mail")
        once = self.treadle("top", "--once")
        self.assertEqual((once.returncode, once.stderr), (0, ""))
        self.assertRegex(once.stdout, r"(?m)^mail +FIFO +open +1 ")
        self.assertNotIn("\x1b", once.stdout)
        self.assertLessEqual(len(self.treadle("top", "--once", "--rows=6").stdout.splitlines()), 6)
        shown = json.loads(self.treadle("top", "--once", "-o", "json").stdout)
        self.assertEqual(shown["queues"][0]["config"]["name"], "mail")
        self.assertEqual(shown["server"]["queues"], 1)
        self.assertEqual((shown["workers"], shown["broker"]), ([], self.server.address))

    def test_says_where_it_cannot_draw(self):
        refused = self.treadle("top")
        self.assertEqual(refused.returncode, USAGE)
        self.assertIn("treadle top --once prints", refused.stderr)
        self.assertIn("--once", self.treadle("top", "-o", "json").stderr)
        screen = self.screen(columns=200)
        screen.run("TERM=dumb treadle top")
        screen.has("treadle top --once prints")
        self.assertEqual(self.code(screen), USAGE)
        self.server.kill()
        self.assertEqual(self.treadle("top", "--once").returncode, UNREACHABLE)


if __name__ == "__main__":
    unittest.main()
