#!/usr/bin/env python3
"""The layer check itself: a planted bad include is found, and what is allowed passes."""

import pathlib
import tempfile
import unittest

import layers


PUBLIC = (
    "proto/include/treadle/codec.h",
    "client/include/treadle/client.h",
    "worker/include/treadle/worker.h",
)


class Layers(unittest.TestCase):
    def problems(self, name, *lines):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, name)
            file.parent.mkdir(parents=True)
            file.write_text("#pragma once\n\n" + "\n".join(lines) + "\n")
            return layers.check(pathlib.Path(folder), [name], PUBLIC)

    def refused(self, name, include):
        found = self.problems(name, f"#include {include}")
        self.assertEqual(len(found), 1, f"{name} includes {include} and nobody minds")
        self.assertTrue(found[0].startswith(f"{name}:3: "), found[0])

    def allowed(self, name, *includes):
        self.assertEqual(self.problems(name, *(f"#include {i}" for i in includes)), [])

    def test_engine_sees_no_threads_clocks_files_or_randomness(self):
        for header in ("<thread>", "<mutex>", "<chrono>", "<fstream>", "<random>", "<unistd.h>"):
            self.refused("server/engine/heap.h", header)

    def test_engine_sees_no_grpc_protobuf_or_spdlog(self):
        for header in (
            "<grpcpp/grpcpp.h>",
            "<google/protobuf/message.h>",
            "<spdlog/spdlog.h>",
            '"spdlog/spdlog.h"',
            '"treadle/v1/task.pb.h"',
        ):
            self.refused("server/engine/heap.h", header)
            self.refused("tests/engine/heap_test.cc", header)

    def test_engine_uses_std_absl_and_support(self):
        self.allowed(
            "server/engine/heap.h",
            "<vector>",
            "<cstdint>",
            '"absl/status/status.h"',
            '"proto/support/task_id.h"',
            '"server/engine/types.h"',
        )

    def test_nothing_inside_includes_the_facade(self):
        self.refused("server/engine/state.h", '"server/engine/engine.h"')
        self.allowed("server/engine/engine.cc", '"server/engine/engine.h"')
        self.allowed("server/broker/broker.h", '"server/engine/engine.h"')

    def test_includes_point_down_the_layers_only(self):
        self.refused("proto/support/clock.h", '"server/engine/types.h"')
        self.refused("server/engine/types.h", '"server/broker/broker.h"')
        self.refused("server/store/store.h", '"server/engine/row.h"')
        self.refused("server/broker/broker.h", '"server/rpc/service.h"')
        self.refused("proto/wire/status.h", '"treadle/client.h"')
        self.refused("client/client.cc", '"treadle/worker.h"')
        self.refused("worker/worker.cc", '"treadle/client.h"')
        self.allowed("server/rpc/service.h", '"server/broker/broker.h"', '"proto/wire/status.h"')
        self.allowed("worker/session/session.h", '"treadle/codec.h"', '"proto/wire/settings.h"')

    def test_public_headers_include_public_ones(self):
        for header in ('"proto/support/limits.h"', '"client/ledger/ledger.h"', "<grpcpp/grpcpp.h>"):
            self.refused("client/include/treadle/executor.h", header)
        self.refused("client/include/treadle/executor.h", '"treadle/worker.h"')
        self.refused("client/include/treadle/executor.h", '"treadle/nowhere.h"')
        self.refused("client/client.cc", '"client/include/treadle/client.h"')
        self.refused("client/examples/program.cc", '"client/ledger/ledger.h"')
        self.allowed(
            "client/include/treadle/executor.h",
            '"treadle/client.h"',
            '"treadle/codec.h"',
            '"treadle/v1/task.pb.h"',
            '"absl/status/status.h"',
        )
        self.allowed("client/examples/program.cc", '"treadle/client.h"', '"treadle/worker.h"')

    def test_the_two_edges_of_the_broker_never_meet(self):
        self.refused("server/http/metrics.cc", '"server/rpc/server.h"')
        self.refused("server/rpc/server.cc", '"server/http/server.h"')
        self.refused("server/broker/broker.cc", "<prometheus/registry.h>")
        self.refused("server/http/metrics.cc", "<grpcpp/grpcpp.h>")
        self.allowed(
            "server/http/metrics.cc",
            '"server/broker/broker.h"',
            "<prometheus/collectable.h>",
        )
        self.allowed(
            "server/service/http_port.cc", '"server/http/server.h"', '"server/rpc/server.h"'
        )

    def test_server_and_client_never_meet(self):
        self.refused("server/rpc/service.cc", '"treadle/client.h"')
        self.refused("client/client.cc", '"server/engine/types.h"')
        self.refused("worker/session/session.cc", '"server/engine/types.h"')
        self.refused("client/client.cc", '"treadle/storage/v1/rows.pb.h"')

    def test_flags_config_files_and_logging_are_for_programs(self):
        self.refused("server/rpc/service.cc", '"proto/program/flags.h"')
        self.refused("client/client.cc", '"proto/program/flags.h"')
        self.refused("worker/session/session.cc", '"client/cli/console/table.h"')
        self.refused("tests/client/client_test.cc", '"client/cli/console/table.h"')
        self.allowed("tests/client/cli/table_test.cc", '"client/cli/console/table.h"')
        self.allowed("server/main.cc", '"proto/program/flags.h"', '"server/rpc/server.h"')
        self.allowed(
            "client/cli/commands/dev.cc", '"server/service/service.h"', '"treadle/worker.h"'
        )
        self.refused("client/cli/context.cc", '"server/service/service.h"')
        self.refused("server/rpc/server.cc", '"server/service/service.h"')
        self.refused("client/examples/program.cc", '"tests/harness/script.h"')
        self.allowed("tests/harness/script.cc", '"server/service/service.h"', '"treadle/worker.h"')
        self.allowed("client/cli/main.cc", '"proto/program/flags.h"', "<CLI/CLI.hpp>")

    def test_libraries_stay_in_their_folders(self):
        self.refused("server/broker/broker.cc", "<rocksdb/db.h>")
        self.refused("server/broker/broker.cc", "<grpcpp/grpcpp.h>")
        self.refused("worker/pool/thread/thread_pool.cc", "<grpcpp/grpcpp.h>")
        self.refused("client/client.cc", "<boost/asio.hpp>")
        self.allowed("server/store/rocksdb_store.cc", "<rocksdb/db.h>", "<sys/statvfs.h>")

    def test_a_folder_without_a_rule_is_told(self):
        self.refused("gadgets/gadget.cc", "<vector>")

    def test_commented_and_spaced_includes(self):
        self.refused("server/engine/heap.h", " <thread>  // just once")
        self.assertEqual(self.problems("server/engine/heap.h", "// #include <thread>"), [])


if __name__ == "__main__":
    unittest.main()
