#!/usr/bin/env python3
"""Runs the quickstart in a Debian that has nothing: what it takes, and what it prints. Needs root,
and a Debian mirror within reach. Not a part of the test suite, which runs the quickstart where the
packages are.

    tests/deploy/quickstart_root.py
"""

import pathlib
import subprocess
import tempfile
import time

from root import debian, run, say, skip_without_root

TREE = pathlib.Path(__file__).resolve().parents[2]


def timed(root, *command):
    say(" ".join(command))
    begun = time.monotonic()
    print(root.run(*command, cwd="/root/treadle"))
    taken = time.monotonic() - begun
    say(f"took {int(taken) // 60} min {int(taken) % 60:02d} s")


def main():
    skip_without_root()
    with tempfile.TemporaryDirectory(prefix="treadle-quickstart-") as name:
        with debian(pathlib.Path(name) / "root") as root:
            files = subprocess.run(["git", "-C", TREE, "ls-files", "-z"], check=True,
                                   stdout=subprocess.PIPE).stdout
            root.path("/root/treadle").mkdir(parents=True)
            run("tar", "-C", TREE, "--null", "-T", "-", "-cf",
                root.path("/root/treadle.tar"), input=files.decode())
            run("tar", "-C", root.path("/root/treadle"), "-xf", root.path("/root/treadle.tar"))
            timed(root, "deploy/install-packages.sh", "build")
            timed(root, "deploy/quickstart.sh")
            say("again")
            timed(root, "deploy/quickstart.sh")


if __name__ == "__main__":
    main()
