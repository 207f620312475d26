#include "client/cli/file_content.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "client/cli/console/human.h"
#include <fmt/format.h>
#include <sys/stat.h>

#include "proto/support/limits.h"
#include "proto/support/units.h"

namespace treadle::cli {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;

absl::Status Unreadable(std::string_view name, const std::string& why) {
  return absl::UnknownError(fmt::format("cannot read {}: {}",
                                        name == "-"
                                            ? std::string("standard input")
                                            : fmt::format("'{}'", Printable(std::string(name))),
                                        why));
}

absl::Status TooLong(std::string_view name, const char* what) {
  return Unreadable(name, fmt::format("{} is longer than {}, which no broker takes; store it where "
                                      "the worker can read it, and pass its name",
                                      what, FormatSizeBytes(limits::kPayloadBytesMaxCeiling)));
}

absl::Status ReadError(std::string_view name) {
  return Unreadable(name, errno == 0 ? "it ended in an error" : std::strerror(errno));
}

absl::StatusOr<std::string> ReadAll(std::istream& input, std::string_view name) {
  std::string content;
  std::array<char, kChunkBytes> chunk;
  errno = 0;
  while (input) {
    input.read(chunk.data(), chunk.size());
    content.append(chunk.data(), static_cast<size_t>(input.gcount()));
    if (content.size() > kItemBytesMax) return TooLong(name, "it");
  }
  if (input.bad()) return ReadError(name);
  return content;
}

}  // namespace

absl::Status OpenFile(const std::string& path, std::ifstream& file) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Unreadable(path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return Unreadable(path, "it is a folder");
  file.open(path, std::ios::binary);
  return file.is_open() ? absl::OkStatus() : Unreadable(path, std::strerror(errno));
}

absl::StatusOr<std::string> ReadContent(const std::string& path, Terminal& terminal) {
  if (path == "-") return ReadAll(terminal.in, path);
  std::ifstream file;
  if (absl::Status status = OpenFile(path, file); !status.ok()) return status;
  return ReadAll(file, path);
}

absl::StatusOr<ReadStop> AppendItem(std::istream& input, char delimiter, std::string_view name,
                                    std::string& text) {
  using Traits = std::istream::traits_type;
  if (!input.good()) return ReadStop::kEnd;
  errno = 0;
  try {
    std::streambuf& bytes = *input.rdbuf();
    for (auto c = bytes.sbumpc(); c != Traits::to_int_type(delimiter); c = bytes.sbumpc()) {
      if (Traits::eq_int_type(c, Traits::eof())) {
        input.setstate(std::ios::eofbit);
        return ReadStop::kEnd;
      }
      if (text.size() == kItemBytesMax) return ReadStop::kFull;
      text += Traits::to_char_type(c);
    }
  } catch (const std::ios::failure&) {  // the buffer's word for an error of the system
    input.setstate(std::ios::badbit);
    return ReadError(name);
  }
  return ReadStop::kDelimiter;
}

absl::StatusOr<std::optional<std::string>> ReadItem(std::istream& input, char delimiter,
                                                    std::string_view name) {
  std::string item;
  const absl::StatusOr<ReadStop> stop = AppendItem(input, delimiter, name, item);
  if (!stop.ok()) return stop.status();
  if (*stop == ReadStop::kFull) return TooLong(name, "an item of it");
  if (*stop == ReadStop::kEnd && item.empty()) return std::nullopt;
  return item;
}

}  // namespace treadle::cli
