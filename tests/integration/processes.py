"""Real processes for the scenarios: brokers, workers and helpers, always stopped by their pid."""

import ctypes
import http.client
import os
import pathlib
import signal
import subprocess
import time
import unittest

BIN = pathlib.Path(os.environ.get("TREADLE_BIN", "build/default/bin")).resolve()
PYTHON = "/usr/bin/python3"
HERE = pathlib.Path(__file__).resolve().parent

# How long anything may take on a slow and busy machine. Nothing waits this long when all is well.
LIMIT_S = int(os.environ.get("TREADLE_LIMIT_S", 120))

_libc = ctypes.CDLL(None)


def wait_until(condition, what, limit_s=LIMIT_S):
    """Returns the condition's first true value."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain for: {what}")
        time.sleep(0.01)


def http_get(address, path):
    """The status and the body."""
    connection = http.client.HTTPConnection(address, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def alive(pid):
    """Also after its parent has gone. A zombie is dead."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


# Of the programs under test: memory is not what it is without, and what looks at an object's type
# opens a pipe, and takes for an invalid object what it cannot look at.
SANITIZED = bool(os.environ.get("TREADLE_SANITIZE"))
skip_if_sanitized = unittest.skipIf(SANITIZED, "a sanitizer's checks open descriptors of their own")


class Process:
    """One process with its log. Start it from the main thread: it dies with its starter."""

    def __init__(self, folder, name, command, env=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                preexec_fn=lambda: _libc.prctl(1, signal.SIGKILL),  # PR_SET_PDEATHSIG
            )
        return self

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def wait(self, limit_s=LIMIT_S):
        """The exit code, negative for a signal."""
        try:
            return self.child.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {limit_s} s") from None

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.running():
            self.signal(signal.SIGKILL)
            self.wait()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def terminate(self):
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=25):
        return "\n".join(self.output().splitlines()[-lines:])


class Broker(Process):
    """treadle-server on a port of its own, which it keeps when it is started again."""

    def __init__(
        self, folder, *flags, name="broker", data=None, listen="127.0.0.1:0", http="", env=None,
        within=(),
    ):
        """`http`: where to serve HTTP; "": not. `within`: a command that runs another one, like
        prlimit, and its flags."""
        self.within = within
        self.folder = pathlib.Path(folder)
        self.data = self.folder / f"{name}-data" if data is None else data
        self.port_file = self.folder / f"{name}.port"
        self.http_port_file = self.folder / f"{name}.http-port"
        self.listen = listen
        self.http = http
        self.flags = flags
        super().__init__(folder, name, [], env)

    def start(self, wait=True):
        self.port_file.unlink(missing_ok=True)
        self.http_port_file.unlink(missing_ok=True)
        self.command = [
            *self.within,
            str(BIN / "treadle-server"),
            f"--listen={self.listen}",
            f"--data-dir={self.data}",
            f"--port-file={self.port_file}",
            f"--http-listen={self.http}",
            f"--http-port-file={self.http_port_file}",
            *self.flags,
        ]
        super().start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        if self.http:
            self.http = self.wait_for_port(self.http_port_file)
        self.listen = self.wait_for_port(self.port_file)

    def wait_for_port(self, file):
        """The address, when the file has the port."""
        def port():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.child.poll()}:\n{self.tail()}")
            return file.exists() and file.read_text().strip()

        return f"127.0.0.1:{wait_until(port, f'{self.name} to listen')}"

    @property
    def address(self):
        return self.listen

    def restart(self):
        """As a crash does it: kill -9, then a new process on the same data and port."""
        self.kill()
        return self.start()


class Worker(Process):
    """The stock treadle-worker."""

    def __init__(self, folder, address, *flags, name="worker", queues=("default",), env=None):
        command = [BIN / "treadle-worker", f"--broker={address}", f"--name={name}"]
        command += [f"--queue={queue}" for queue in queues]
        super().__init__(folder, name, command + list(flags), env)


class Script(Process):
    """Another file of this folder as a process of its own."""

    def __init__(self, folder, name, script, *arguments):
        super().__init__(folder, name, [PYTHON, HERE / script, *arguments])
