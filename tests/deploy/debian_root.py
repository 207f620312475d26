"""The Debian packages in a Debian of their own, as a stranger meets them: installs them as the
container file does, builds a client and a worker against them, runs the main job, upgrades while a
task runs, removes and purges. Needs root, and a Debian mirror within reach.
"""

import os
import pathlib
import re
import shutil
import signal
import tempfile

from root import LIMIT_S, debian, run, say, skip_without_root, wait_until

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["TREADLE_BUILD"])


def make_packages(folder, version=None):
    settings = ["-D", f"CPACK_PACKAGE_VERSION={version}"] if version else []
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, *settings)
    shutil.rmtree(folder / "_CPack_Packages")
    packages = sorted(folder.glob("*.deb"))
    names = [package.name.split("_")[0] for package in packages]
    if sorted(names) != ["libtreadle-dev", "treadle", "treadle-server", "treadle-worker"]:
        raise SystemExit(f"cpack made {names}")
    return packages


def container_steps():
    """The commands of the container file's last stage: RUN's, joined, and CMD's words."""
    text = (TREE / "deploy/container/Containerfile").read_text().replace("\\\n", " ")
    last = text[text.rindex("\nFROM "):]
    (command,) = re.findall(r"^RUN (.*)$", last, re.M)
    (words,) = re.findall(r"^CMD \[(.*)\]$", last, re.M)
    return command, re.findall(r'"([^"]*)"', words)


def start_broker(root, words):
    port = root.path("/tmp/port")
    port.unlink(missing_ok=True)
    words = [re.sub(r"0\.0\.0\.0:773[34]", "127.0.0.1:0", word) for word in words]
    broker = root.start_as("treadle", *words, "--port-file=/tmp/port")
    wait_until("the broker", lambda: port.exists() or broker.poll() is not None)
    if broker.poll() is not None:
        raise SystemExit("the broker ended")
    return broker, f"127.0.0.1:{port.read_text().strip()}"


def build_and_greet(root, address):
    shutil.copytree(TREE / "tests/deploy/project", root.path("/root/project"))
    for way in ("PACKAGE", "PC"):
        say(f"the project, by {way}")
        build = f"/root/{way}"
        root.run("cmake", "-G", "Ninja", "-S", "/root/project", "-B", build, f"-DTREADLE_{way}=ON")
        root.run("cmake", "--build", build)
        root.run(f"{build}/mail_test")
        worker = root.start(f"{build}/mail_worker", address)
        said = root.run(f"{build}/mail_client", address)
        if said != "Hello, Ada, Ada\n":
            raise SystemExit(f"the task's result is {said!r}")
        worker.terminate()
        if worker.wait(LIMIT_S) != 0:
            raise SystemExit("the worker did not end well")


def upgrade_while_a_task_runs(root, broker, address, words, packages):
    """The task goes on under the old worker while the broker is replaced, and is run once."""
    pipe = root.path("/tmp/gate")
    os.mkfifo(pipe, 0o666)
    command_line = ["treadle", "--broker", address]
    root.run(*command_line, "submit", "--wait", "--", "/usr/bin/uname", "-s")
    task = root.run(*command_line, "submit", "--", "/usr/bin/cat", "/tmp/gate").strip()
    wait_until("the task to run",
               lambda: "RUNNING" in root.run(*command_line, "task", "show", task))
    root.run("apt-get", "install", "-y", "--no-install-recommends", *packages)
    broker.terminate()
    if broker.wait(LIMIT_S) != 0:
        raise SystemExit("the broker did not end well")
    port = address.rsplit(":", 1)[1]
    same_port = [word.replace("0.0.0.0:7733", f"127.0.0.1:{port}") for word in words]
    broker, _ = start_broker(root, same_port)
    pipe.write_text("through\n")
    if root.run(*command_line, "result", task) != "through\n":
        raise SystemExit("the task that ran during the upgrade gave another result")
    shown = root.run(*command_line, "task", "show", task)
    if not re.search(r"attempts?:? +1\b", shown):
        raise SystemExit(f"the task was run more than once:\n{shown}")
    return broker


def try_out(root):
    """Of the command line's package alone."""
    command_line = ["treadle", "--broker=127.0.0.1:7799", "--connect-timeout=60s"]
    dev = root.start(*command_line, "dev")
    said = root.run(*command_line, "submit", "--wait", "--", "/usr/bin/uname", "-s")
    dev.send_signal(signal.SIGINT)
    if said != "Linux\n" or dev.wait(LIMIT_S) != 0:
        raise SystemExit(f"treadle dev gave {said!r}, and ended with {dev.returncode}")


def traces(root):
    """Files outside of the test's own folders that have Treadle's name."""
    own = [word for folder in ("/proc/*", "/packages*", "/newer*", "/root/*", "/tmp/*")
           for word in ("-not", "-path", folder)]
    return root.run("find", "/", "-xdev", *own, "-name", "*treadle*").splitlines()


def main():
    skip_without_root()
    with tempfile.TemporaryDirectory(prefix="treadle-debian-") as name:
        work = pathlib.Path(name)
        os.chmod(work, 0o755)
        say("packages")
        packages = make_packages(work / "packages")
        newer = make_packages(work / "newer", "99.0.0")
        say("lintian")
        print(run("lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0",
                  *packages))
        with debian(work / "root") as root:
            for folder, made in (("packages", packages), ("newer", newer)):
                root.path(folder).mkdir()
                for package in made:
                    shutil.copy(package, root.path(folder))
            say("the container file's steps")
            command, words = container_steps()
            command = command.replace("rm -rf /packages", "true")
            root.run("sh", "-ec", command)
            say("treadle dev")
            try_out(root)
            say("the libraries and a compiler")
            dev = [f"/packages/{package.name}" for package in packages if "-dev" in package.name]
            root.run("sh", "-ec", "apt-get update && apt-get install -y --no-install-recommends "
                     f"g++ cmake ninja-build pkg-config libspdlog-dev libxxhash-dev {dev[0]}")
            broker, address = start_broker(root, words)
            build_and_greet(root, address)
            for page in ("treadle", "treadle-server", "treadle-worker"):
                root.run("sh", "-c", f"dpkg -L {page} | grep -q man1/{page}.1.gz")
            say("an upgrade while a task runs")
            worker = root.start_as("treadle-worker", "treadle-worker",
                                   f"--broker={address}", "--allow-exec=/usr/bin/uname",
                                   "--allow-exec=/usr/bin/cat")
            broker = upgrade_while_a_task_runs(root, broker, address, words,
                                               [f"/newer/{package.name}" for package in newer])
            worker.terminate()
            worker.wait(LIMIT_S)
            broker.terminate()
            if broker.wait(LIMIT_S) != 0:
                raise SystemExit("the broker did not end well")
            say("remove and purge")
            names = [package.name.split("_")[0] for package in newer]
            root.run("apt-get", "remove", "-y", *names)
            left = [path for path in traces(root)
                    if not path.startswith(("/etc/", "/var/lib/", "/run/"))]
            if left or not root.path("/var/lib/treadle/data").exists():
                raise SystemExit(f"after remove: {left}")
            root.run("dpkg", "--purge", *names)
            if traces(root):
                raise SystemExit(f"after purge: {traces(root)}")
            say("nothing is left of it")


if __name__ == "__main__":
    main()
