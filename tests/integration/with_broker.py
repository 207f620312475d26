#!/usr/bin/env python3
"""with_broker.py COMMAND...: runs a command with the address of a fresh broker as last argument."""

import shutil
import subprocess
import sys
import tempfile

from processes import LIMIT_S, Broker


def main():
    folder = tempfile.mkdtemp(prefix="treadle-test-")
    broker = Broker(folder).start()
    try:
        code = subprocess.run(
            [*sys.argv[1:], broker.address], check=False, timeout=LIMIT_S
        ).returncode
        if broker.terminate() != 0:
            code = code or 1
    finally:
        broker.kill()
    if code != 0:
        sys.exit(f"exit code {code}; the broker's last words:\n{broker.tail()}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
