#include "server/store/diary.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "server/store/file.h"

namespace treadle::store {
namespace {

constexpr size_t kLineBytesMax = 8 << 10;  // longer ones are cut

}  // namespace

Diary::Diary(const std::string& path)
    : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, kFileMode)) {}

Diary::~Diary() { CloseImpl().PermitUncheckedError(); }

rocksdb::Status Diary::CloseImpl() {
  if (const int file = file_.exchange(-1); file >= 0) ::close(file);
  return rocksdb::Status::OK();
}

// A line leaves in one write, so lines of several threads do not mix.
void Diary::Logv(const char* format, va_list arguments) {
  std::string line = absl::FormatTime("%Y/%m/%d-%H:%M:%E6S ", absl::Now(), absl::LocalTimeZone());
  line += std::to_string(static_cast<uint64_t>(::gettid())) + " ";
  const size_t begin = line.size();
  line.resize(kLineBytesMax);
  const int size = std::vsnprintf(line.data() + begin, kLineBytesMax - begin, format, arguments);
  if (size < 0) return;
  line.resize(std::min(begin + static_cast<size_t>(size), kLineBytesMax - 1));
  if (line.back() != '\n') line.push_back('\n');
  const ssize_t written = ::write(file_, line.data(), line.size());
  if (written > 0) bytes_ += static_cast<size_t>(written);
}

}  // namespace treadle::store
