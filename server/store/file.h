#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <sys/types.h>

// The few calls on files that the store needs beside RocksDB's own. Errors name the path, and what
// to do where that is known.

namespace treadle::store {

// Of the files that the store makes: for its own user, and to be read by its group.
inline constexpr mode_t kFileMode = 0640;

// What to say of a file system that can't be written to, after its name.
inline constexpr char kReadOnlyAdvice[] =
    "is on a file system that is read-only: mount it for writing, and if the kernel took that away "
    "after an error of the device, which its log tells, check the device first";

// From errno, for a call that failed on `path`; `what`: "cannot be written", and so on. No rights:
// PERMISSION_DENIED. No space, no descriptors: RESOURCE_EXHAUSTED. An error of the device:
// DATA_LOSS.
absl::Status FileError(int error, std::string_view path, std::string_view what);

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
absl::StatusOr<std::string> ReadFile(const std::string& path);
// For a message: the first few of the names, between commas.
std::string SomeOf(std::vector<std::string> names);
// Makes the names in it durable.
absl::Status SyncDirectory(const std::string& path);
// The file holds all of `contents`, durably, or is as it was before.
absl::Status WriteFileAtomically(const std::string& path, std::string_view contents);

}  // namespace treadle::store
