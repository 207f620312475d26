#pragma once

#include <functional>
#include <string>

#include "absl/functional/function_ref.h"

namespace treadle::store {

// Stands in front of the C library's fdatasync and fsync in a program that links this, RocksDB's
// calls included. `path`: of the file. The hook calls `sync`, or sets errno and returns -1. It is
// called by several threads at once.
using SyncHook = std::function<int(const std::string& path, absl::FunctionRef<int()> sync)>;
// Empty: syncs are only done. Not while a store is open.
void SetSyncHook(SyncHook hook);

// The same for write: the hook returns the errno with which it fails; 0: it is done.
using WriteHook = std::function<int(const std::string& path)>;
void SetWriteHook(WriteHook hook);

// The same for open: the errno with which it fails; 0: it is opened.
using OpenHook = std::function<int(const std::string& path)>;
void SetOpenHook(OpenHook hook);

}  // namespace treadle::store
