#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "proto/program/logging.h"
#include "server/broker/broker.h"
#include "server/http/options.h"
#include "server/rpc/options.h"

namespace treadle::server {

// What an operator can choose: treadle-server's flags and config file.
struct Options {
  std::string store = "rocksdb";  // memory, rocksdb
  std::string data_directory = "treadle-data";
  int64_t memory_store_bytes_max = int64_t{4} << 30;
  std::string port_file;
  std::string http_port_file;
  // free_disk_bytes_min 0: what a disk, or a memory store, of its size asks for.
  broker::BrokerOptions broker{.free_disk_bytes_min = 0};
  rpc::Options rpc;
  http::Options http;
  std::string trace_file;  // empty: no spans are written
  int64_t trace_file_bytes_max = int64_t{100} << 20;
  program::LogOptions log;
};

// The flags, which write into `options`. It must outlive them.
std::unique_ptr<CLI::App> MakeFlags(Options& options);

}  // namespace treadle::server
