"""Which files are the tree's: what git tracks, and what it would track."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(root=ROOT):
    """Paths below the root, as text with forward slashes, in order."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
    else:  # not a clone: an unpacked archive, or another user's folder
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith(("build/", ".git/", ".cache/"))]
    return sorted(name for name in names if name and (root / name).is_file())


def top_level(names):
    return sorted({name.split("/", 1)[0] for name in names})


if __name__ == "__main__":  # tree.py SUFFIX...: for shell scripts
    print("\n".join(name for name in files() if name.endswith(tuple(sys.argv[1:]))))
