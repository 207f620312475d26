"""The frame of an integration test: a folder, processes that end with it, logs on failure."""

import pathlib
import shutil
import sys
import tempfile
import unittest

import api
import processes


class Scenario(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="treadle-test-"))
        self._processes = []
        self._connections = []
        self.addCleanup(self._close)

    def _close(self):
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.kill()
        result = self._outcome.result
        if any(test is self for test, _ in result.errors + result.failures):
            for process in self._processes:
                print(f"--- end of {process.log}\n{process.tail()}", file=sys.stderr)
            print(f"--- kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def own(self, process):
        """The process is killed when the test ends."""
        self._processes.append(process)
        return process

    def broker(self, *flags, **options):
        return self.own(processes.Broker(self.folder, *flags, **options)).start()

    def worker(self, address, *flags, **options):
        return self.own(processes.Worker(self.folder, address, *flags, **options)).start()

    def connect(self, broker):
        """The four services' stubs."""
        address = broker if isinstance(broker, str) else broker.address
        connection = api.Connection(address)
        self._connections.append(connection)
        return connection
