#include "server/trace/span_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/stat.h>

#include "server/trace/otlp.h"

namespace treadle::trace {
namespace {

// In one line, some 300 kB.
constexpr size_t kSpansInLine = 500;

int OpenToAppend(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpanFile>> SpanFile::Open(SpanFileOptions options) {
  const int fd = OpenToAppend(options.path);
  struct stat file {};
  if (fd < 0 || ::fstat(fd, &file) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return absl::UnavailableError(absl::StrCat("--trace-file: cannot write '", options.path, "' (",
                                               std::strerror(error),
                                               "): give a path in a folder that one may write"));
  }
  return std::unique_ptr<SpanFile>(new SpanFile(std::move(options), fd, file.st_size));
}

SpanFile::SpanFile(SpanFileOptions options, int fd, int64_t bytes)
    : options_(std::move(options)), fd_(fd), bytes_(bytes), writer_([this] { Work(); }) {}

SpanFile::~SpanFile() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  writer_.join();
  if (fd_ >= 0) ::close(fd_);
}

void SpanFile::Add(broker::Span span) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= options_.spans_max) {
      ++figures_.dropped;
      return;
    }
    waiting_.push_back(std::move(span));
    if (waiting_.size() > 1) return;  // the writer knows
  }
  wake_.notify_one();
}

void SpanFile::AddUntraced(int64_t tasks) {
  std::lock_guard lock(mutex_);
  figures_.untraced_tasks += tasks;
}

broker::SpanFigures SpanFile::Figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

void SpanFile::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::vector<broker::Span> spans = std::exchange(waiting_, {});
    lock.unlock();
    int64_t written = 0;
    for (size_t first = 0; first < spans.size(); first += kSpansInLine) {
      const auto some = absl::MakeConstSpan(spans).subspan(first, kSpansInLine);
      if (Write(some)) written += static_cast<int64_t>(some.size());
    }
    lock.lock();
    figures_.written += written;
    figures_.dropped += static_cast<int64_t>(spans.size()) - written;
  }
}

bool SpanFile::Write(absl::Span<const broker::Span> spans) {
  const std::string line = OtlpLine(spans, options_.version);
  const auto line_bytes = static_cast<int64_t>(line.size());
  errno = 0;
  if (fd_ < 0 || (bytes_ > 0 && bytes_ + line_bytes > options_.bytes_max)) Rotate();
  const bool written = fd_ >= 0 && Append(line);
  TellOfErrors(written, errno);
  return written;
}

// Half a line is taken back, so that what follows can be read.
bool SpanFile::Append(std::string_view line) {
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t bytes = ::write(fd_, line.data() + done, line.size() - done);
    if (bytes > 0) {
      done += static_cast<size_t>(bytes);
    } else if (errno != EINTR) {
      const int error = errno;
      if (done > 0 && ::ftruncate(fd_, bytes_) != 0) bytes_ += static_cast<int64_t>(done);
      errno = error;
      return false;
    }
  }
  bytes_ += static_cast<int64_t>(line.size());
  return true;
}

void SpanFile::Rotate() {
  if (fd_ >= 0) {
    const std::string older = absl::StrCat(options_.path, ".1");
    if (std::rename(options_.path.c_str(), older.c_str()) != 0 && errno != ENOENT) return;
    ::close(fd_);
  }
  fd_ = OpenToAppend(options_.path);
  bytes_ = 0;
}

void SpanFile::TellOfErrors(bool written, int error) {
  if (written != fails_) return;
  fails_ = !written;
  if (!options_.tell) return;
  options_.tell(written ? absl::StrCat("spans are written to '", options_.path, "' again")
                        : absl::StrCat("spans are lost: cannot write '", options_.path, "' (",
                                       std::strerror(error),
                                       "): make room, or see who may write there"));
}

}  // namespace treadle::trace
