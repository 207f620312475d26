"""File systems of a test's own, each on a loop device. They want root."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

EXT4_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_LOG_FLUSH = 2


class Refused(Exception):
    """There are no mounts here; the text says why."""


class Disk:
    """An ext4 that is there until `close`, which wants its processes ended. Raises Refused."""

    def __init__(self, size_bytes):
        self._place = pathlib.Path(tempfile.mkdtemp(prefix="treadle-mount-"))
        self._image = self._place / "image"
        self.folder = self._place / "mount"
        self.folder.mkdir()
        with open(self._image, "wb") as file:
            file.truncate(size_bytes)
        try:
            self._run("mkfs.ext4", "-q", "-m", "0", self._image)
            self._mount()
        except Refused:
            self.close()
            raise

    @staticmethod
    def _run(*command):
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            raise Refused(f"no {command[0]} here") from None
        except subprocess.CalledProcessError as error:
            raise Refused(f"no mount here: {error.stderr.strip()}") from None

    def _mount(self):
        self._run("mount", "-o", "loop", self._image, self.folder)

    def make_read_only(self):
        self._run("mount", "-o", "remount,ro", self.folder)

    def cut_power(self):
        """From here on nothing reaches the device: what is in memory alone is lost."""
        file = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(file, EXT4_SHUTDOWN, WITHOUT_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(file)

    def restore_power(self):
        """The file system as the device has it. Wants its processes ended."""
        self._run("umount", self.folder)
        self._mount()

    def close(self):
        subprocess.run(["umount", self.folder], capture_output=True, check=False)
        if not os.path.ismount(self.folder):
            shutil.rmtree(self._place)
