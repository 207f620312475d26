"""A project of someone else's uses Treadle in each of the ways that a build has: by
add_subdirectory, by find_package, by pkg-config. It builds without a warning, its task runs, and
the cache of its own build has nothing that Treadle put there.

  project_test.py subdirectory|package|pkg-config

TREADLE_BUILD: a build of this tree, for its server and to install from.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["TREADLE_BUILD"])
PROJECT = TREE / "tests/deploy/project"

# Of a project's own cache: what adding Treadle may add. Where packages were found, options of its
# own, and what CMake's project() and pkg_check_modules() note by themselves.
MAY_ADD = ("TREADLE_", "treadle_", "Protobuf_", "protobuf_", "absl_DIR", "gRPC_DIR", "c-ares_DIR",
           "nlohmann_json_DIR", "FIND_PACKAGE_MESSAGE_DETAILS_", "CMAKE_HAVE_LIBC_PTHREAD",
           "ZLIB_", "OPENSSL_", "_OPENSSL_", "PKG_CONFIG_", "RE2_", "re2_DIR", "C_ARES_", "c-ares_",
           "LIBCARES_", "CMAKE_PROJECT_VERSION", "prefix_result",
           "pkgcfg_lib_", "__pkg_config_", "CARES_", "OpenSSL_")


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n"
                         + done.stdout[-8000:])
    return done.stdout


def configure(folder, *settings, environment=None):
    run("cmake", "-G", "Ninja", "-S", PROJECT, "-B", folder, *settings, env=environment)


def cache(folder):
    entries = {}
    for line in (folder / "CMakeCache.txt").read_text().splitlines():
        if line and line[0] not in "#/":
            key, _, value = line.partition("=")
            entries[key.partition(":")[0]] = value
    return entries


def check_cache(work, folder, settings):
    configure(work / "alone", *settings)
    alone, together = cache(work / "alone"), cache(folder)
    own = {key: value for key, value in alone.items()
           if "alone" not in value and not key.startswith("TREADLE_")}
    changed = {key: (value, together.get(key)) for key, value in own.items()
               if together.get(key) != value and key != "CMAKE_NUMBER_OF_MAKEFILES"}
    added = [key for key in together if key not in alone and not key.startswith(MAY_ADD)]
    if changed or added:
        raise SystemExit(f"the project's cache: changed {changed}, added {added}")
    if list(folder.glob("bin")) or list(folder.glob("compile_commands.json")):
        raise SystemExit("Treadle made files in the project's build folder that are not its own")


def check_headers_alone(folder):
    """The installed tree has no header but those of <treadle/...>."""
    headers = [path.relative_to(folder / "include") for path in (folder / "include").rglob("*.h")]
    strays = [path for path in headers if path.parts[0] != "treadle"]
    if not headers or strays:
        raise SystemExit(f"installed headers outside of <treadle/...>: {strays or 'none at all'}")


def run_job(work, folder):
    port = work / "port"
    processes = [subprocess.Popen([BUILD / "bin/treadle-server", "--store", "memory", "--listen",
                                   "127.0.0.1:0", "--port-file", port, "--http-listen="])]
    try:
        while not port.exists():
            if processes[0].poll() is not None:
                raise SystemExit("the broker ended")
            try:
                processes[0].wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        address = f"127.0.0.1:{port.read_text().strip()}"
        processes.append(subprocess.Popen([folder / "mail_worker", address]))
        greeting = run(folder / "mail_client", address, timeout=120)
        if greeting != "Hello, Ada, Ada\n":
            raise SystemExit(f"the task's result is {greeting!r}")
        processes[1].terminate()
        if processes[1].wait(60) != 0:
            raise SystemExit("the worker did not end well")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(way):
    with tempfile.TemporaryDirectory(prefix="treadle-project-") as name:
        work = pathlib.Path(name)
        folder = work / "build"
        environment = dict(os.environ)
        if way == "subdirectory":
            # Many files in one: it is all of Treadle's client and worker that builds anew here.
            settings = [f"-DTREADLE_SOURCE={TREE}", "-DCMAKE_UNITY_BUILD=ON",
                        "-DCMAKE_UNITY_BUILD_BATCH_SIZE=24", "-DTREADLE_PCH=OFF"]
            launcher = environment.get("TREADLE_LAUNCHER")
            if launcher:
                settings.append(f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}")
                environment |= {"CCACHE_BASEDIR": "/", "CCACHE_NOHASHDIR": "1"}
        else:
            prefix = work / "prefix"
            run("cmake", "--install", BUILD, "--prefix", prefix, "--component", "dev")
            check_headers_alone(prefix)
            if way == "package":
                settings = ["-DTREADLE_PACKAGE=ON", f"-DCMAKE_PREFIX_PATH={prefix}"]
            else:
                settings = ["-DTREADLE_PC=ON"]
                (modules,) = prefix.rglob("pkgconfig")
                environment["PKG_CONFIG_PATH"] = str(modules)
        configure(folder, *settings, environment=environment)
        run("cmake", "--build", folder, "--target", "mail_client", "mail_worker",
            *([] if way == "subdirectory" else ["mail_test"]), env=environment)
        if way == "subdirectory":
            check_cache(work, folder, settings[1:])
        run_job(work, folder)
        if way != "subdirectory":
            run(folder / "mail_test", timeout=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
