"""A Debian in a folder, for tests that need one of their own."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

MIRROR = os.environ.get("TREADLE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
LIMIT_S = 120
SKIPPED = 77


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n"
                         + done.stdout[-8000:])
    return done.stdout


def say(what):
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def wait_until(what, condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {LIMIT_S} s in vain for {what}")
        time.sleep(0.05)


class Root:
    """A Debian in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def environment(self):
        kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
        return kept | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                       "LC_ALL": "C.UTF-8", "HOME": "/root"}

    def run(self, *command, cwd="/"):
        return run("chroot", self.folder, "env", "-C", cwd, *command, env=self.environment())

    def start(self, *command):
        process = subprocess.Popen(["chroot", str(self.folder), *command], env=self.environment())
        self.started.append(process)
        return process

    def start_as(self, user, *command):
        return self.start("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--",
                          *command)

    def path(self, inside):
        return self.folder / inside.lstrip("/")

    def stop_all(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.kill()
                process.wait()


def skip_without_root():
    if os.geteuid() != 0:
        print("skipped: making a root needs root")
        sys.exit(SKIPPED)


@contextlib.contextmanager
def debian(folder):
    say(f"debootstrap from {MIRROR}")
    done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder, MIRROR],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-2000:])
        print("skipped: debootstrap could not make a root: is the mirror within reach?")
        sys.exit(SKIPPED)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    run("mount", "-t", "proc", "proc", folder / "proc")
    root = Root(folder)
    try:
        yield root
    finally:
        root.stop_all()
        run("umount", folder / "proc")
