#!/usr/bin/env python3
"""Checks who includes whom.

support <- search <- {engine, the command line}; support <- store;
{engine, store} <- broker <- {rpc, http, trace}; {rpc, http} <- service;
http <- {bridge, dashboard} <- service;
{support, wire} <- task <- {client, worker};
program (flags, config files, logging) is for the main programs. Server, client and worker never
meet. Public headers include public ones, Abseil, and generated messages.
"""

import pathlib
import re
import sys
from dataclasses import dataclass, field

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# What a pure state machine must not see: time, chance, threads and files are handed to it.
IMPURE = frozenset(
    "atomic barrier chrono condition_variable cstdio ctime filesystem fstream future iostream "
    "latch mutex random semaphore shared_mutex stop_token syncstream thread".split()
)

SUPPORT = ("proto/support",)
SEARCH = SUPPORT + ("proto/search",)
ENGINE = SEARCH + ("server/engine",)  # a job selects tasks by a filter
STORE = SUPPORT + ("server/store",)
BROKER = ENGINE + STORE + ("server/broker",)
SPEAKS = SUPPORT + ("proto/wire", "treadle/v1")  # what both ends of a connection share
RPC = BROKER + SPEAKS + ("server/rpc",)
HTTP = BROKER + ("server/http",)
BRIDGE = HTTP + SPEAKS + ("server/bridge",)
DASHBOARD = HTTP + ("server/dashboard",)
# Public headers, <treadle/...>, by the folder that they lie in.
LIBRARIES = ("proto/include", "client/include", "worker/include")
HARNESS = "tests/harness/include"  # treadle::testing
PUBLIC = LIBRARIES + (HARNESS,)
# What client and worker share.
TASK = SUPPORT + ("proto/include", "proto/task", "treadle/v1")
CLIENT = SPEAKS + TASK + ("client",)
FUTURES = TASK + (
    "client/include",
    "client/future",
    "client/ledger",
    "client/session/reconnect_backoff.h",
    "proto/wire/item_status.h",
)
WORKER = SPEAKS + TASK + ("worker",)
SERVICE = RPC + BRIDGE + DASHBOARD + ("server/service",)
GRPC = ("grpc", "grpcpp", "google")


@dataclass
class Rule:
    """What the files of one folder may include, besides the folder itself."""

    folders: tuple  # folders of the tree, and of the generated protocol
    libraries: tuple  # first folder of a third-party include
    bans: frozenset = field(default_factory=frozenset)  # standard headers
    system: bool = True  # headers of the operating system, <unistd.h> and the like


PROGRAM = ("absl", "spdlog", "fmt", "CLI") + GRPC
BROKER_PROGRAM = Rule(
    SERVICE + ("server/trace", "proto/program", "server/options.h", "server/descriptors.h"), PROGRAM
)
WORKER_PROGRAM = Rule(WORKER + ("proto/program", "worker/options.h"), PROGRAM)
PURE = {"bans": IMPURE, "system": False}

# The longest matching path decides.
RULES = {
    "proto/support": Rule((), ("absl",)),
    "proto/search": Rule(SUPPORT, ("absl",), **PURE),
    "proto/wire": Rule(SPEAKS, ("absl",) + GRPC),
    "proto/include": Rule(("treadle/v1",), ("absl",)),
    "proto/include/treadle/json_codec.h": Rule(("proto/include",), ("absl", "nlohmann")),
    "proto/task": Rule(TASK, ("absl", "google", "nlohmann")),
    "proto/program": Rule(SUPPORT, ("absl", "spdlog", "fmt", "CLI", "nlohmann", "systemd")),
    "server/engine": Rule(ENGINE, ("absl",), **PURE),
    "server/store": Rule(STORE, ("absl", "isa-l", "rocksdb", "spdlog", "fmt")),
    "server/broker": Rule(
        BROKER + ("treadle/storage",), ("absl", "google", "spdlog", "fmt", "xxhash.h")
    ),
    "server/rpc": Rule(RPC, ("absl", "spdlog", "fmt", "xxhash.h") + GRPC),
    "server/http": Rule(HTTP, ("absl", "prometheus", "xxhash.h")),
    "server/trace": Rule(BROKER + ("server/trace",), ("absl", "nlohmann")),
    "server/bridge": Rule(BRIDGE, ("absl",) + GRPC),
    "server/dashboard": Rule(DASHBOARD, ("absl",)),
    "server/service": Rule(SERVICE, ("absl",)),
    "server/descriptors.cc": BROKER_PROGRAM,
    "server/descriptors.h": BROKER_PROGRAM,
    "server/main.cc": BROKER_PROGRAM,
    "server/options.cc": BROKER_PROGRAM,
    "server/options.h": BROKER_PROGRAM,
    "client": Rule(CLIENT, ("absl", "nlohmann") + GRPC),
    "client/include": Rule(("proto/include", "treadle/v1"), ("absl", "asio")),
    # Futures and the ledger are built and tested without gRPC.
    "client/future": Rule(FUTURES, ("absl", "google")),
    "client/ledger": Rule(FUTURES, ("absl", "google")),
    "client/cli": Rule(
        CLIENT + SEARCH + ("proto/program",), ("absl", "nlohmann", "spdlog", "fmt", "CLI") + GRPC
    ),
    # A whole Treadle in one process: the one place where client, worker and server meet.
    "client/cli/commands/dev.cc": Rule(
        SERVICE + CLIENT + WORKER + ("proto/program", "client/cli"), ("absl",)
    ),
    "client/examples": Rule(PUBLIC, ("absl", "gtest")),
    "worker": Rule(WORKER, ("absl", "asio", "nlohmann", "spdlog", "fmt") + GRPC),
    "worker/include": Rule(("proto/include", "treadle/v1"), ("absl", "asio")),
    # Pools are built and tested without gRPC.
    "worker/pool": Rule(
        SUPPORT + ("proto/include", "worker/include"), ("absl", "asio", "spdlog", "fmt")
    ),
    "worker/main.cc": WORKER_PROGRAM,
    "worker/options.cc": WORKER_PROGRAM,
    "worker/options.h": WORKER_PROGRAM,
    "tests": Rule(
        SERVICE + ("server/trace",) + CLIENT + WORKER + ("proto/program", "tests/support", HARNESS),
        ("absl", "asio", "gtest", "gmock", "nlohmann", "spdlog", "fmt", "CLI", "xxhash.h") + GRPC,
    ),
    # What users' tests have of Treadle: all of it in one process.
    "tests/harness": Rule(SERVICE + CLIENT + WORKER + (HARNESS,), ("absl",)),
    "tests/harness/include": Rule(LIBRARIES, ("absl",)),
    "tests/harness/tests": Rule(
        PUBLIC + ("tests/harness", "tests/support"), ("absl", "asio", "gtest", "gmock")
    ),
    # The relay that the broker is measured against speaks a protocol of its own.
    "tests/bench/ceiling": Rule(("relay.grpc.pb.h", "relay.pb.h"), ("absl",) + GRPC),
    "tests/client/cli": Rule(
        CLIENT
        + WORKER
        + SEARCH
        + ("client/cli", "proto/program", "tests/client", "tests/support", HARNESS),
        ("absl", "asio", "gtest", "gmock", "nlohmann", "fmt", "CLI") + GRPC,
    ),
    "tests/search": Rule(SEARCH + ("tests/support",), ("absl", "gtest", "gmock")),
    "tests/engine": Rule(ENGINE + ("tests/support",), ("absl", "gtest", "gmock")),
    "tests/http": Rule(
        SERVICE + ("tests/rpc/fixture.h", "tests/support"),
        ("absl", "gtest", "gmock") + GRPC,
    ),
    "tests/store": Rule(STORE + ("tests/support",), ("absl", "gtest", "gmock", "rocksdb")),
    "tests/broker": Rule(
        BROKER + ("tests/support", "treadle/storage"), ("absl", "gtest", "gmock", "google")
    ),
    "tests/sim": Rule(
        BROKER + ("tests/support", "treadle/storage"), ("absl", "gtest", "gmock", "google")
    ),
}


# What a folder's users include; nothing inside does, but its own .cc.
FACADES = ("server/engine/engine.h",)


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def rule_of(path):
    """The folder whose rule holds for a file, and the rule; (None, None): it has none."""
    found = max((name for name in RULES if inside(path, name)), key=len, default=None)
    return found, RULES.get(found)


def home(target, names):
    """Where a public header lies; other includes are paths already."""
    return next((p for p in (f"{folder}/{target}" for folder in PUBLIC) if p in names), target)


def broken(path, kind, target, names):
    """Why `path` may not include `target`; None: it may. `kind` is '<' or '"'."""
    folder, rule = rule_of(path)
    if rule is None:
        return "no rule for this folder: give it one in tests/tidy/layers.py"
    if any(inside(target, public) for public in PUBLIC):
        return f"write it as users do: <{target.split('/', 2)[2]}>"
    target = home(target, names)
    if target in FACADES and inside(path, target.rsplit("/", 1)[0]):
        own = path.rsplit(".", 1)[0] == target.rsplit(".", 1)[0]
        return None if own else f"{target} is for those outside of its folder"
    if inside(target, folder):
        return None
    # A program's folder, though it lies in a library's: for its own tests alone.
    if inside(target, "client/cli") and "client/cli" not in rule.folders:
        return f"{folder} may not include {target}"
    if any(inside(target, allowed) for allowed in rule.folders):
        return None
    first = target.split("/", 1)[0]
    if first in rule.libraries:
        return None
    ours = first in ("proto", "server", "client", "worker", "tests", "treadle")
    if kind == '"' or ours:  # quotes are for the tree's own
        return f"{folder} may not include {target}"
    if "/" not in target and "." not in target:  # the standard library
        return f"{folder} may not use <{target}>" if target in rule.bans else None
    if "/" in target and first not in ("sys", "netinet", "arpa", "linux", "net"):
        return f"{folder} may not use the library of <{target}>"
    return None if rule.system else f"{folder} may not use the system's <{target}>"


def check(root, names, others=()):
    """Every broken rule in these files as 'file:line: why'. `others` can be included, too."""
    problems = []
    known = frozenset([*names, *others])
    for name in names:
        if not name.endswith((".h", ".cc")):
            continue
        text = (root / name).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            reason = match and broken(name, match[1], match[2], known)
            if reason:
                problems.append(f"{name}:{number}: {reason}")
    return problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT
    names = tree.files(root)
    problems = check(root, names)
    print("\n".join(problems))
    print(f"layers: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
