#include "client/cli/file_content.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "client/cli/human.h"
#include <fmt/format.h>
#include <sys/stat.h>

#include "proto/support/limits.h"

namespace treadle::cli {

absl::StatusOr<std::string> ReadContent(const std::string& path, Terminal& terminal) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(terminal.in), {});
  }
  auto unreadable = [&](const std::string& why) {
    return absl::UnknownError(fmt::format("cannot read '{}': {}", Printable(path), why));
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return unreadable(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return unreadable("it is a folder");
  if (status.st_size > limits::kPayloadBytesMaxCeiling) {
    return unreadable("it is larger than any broker takes; pass its name instead");
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) return unreadable(std::strerror(errno));
  return content;
}

}  // namespace treadle::cli
