#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "server/broker/span.h"

namespace treadle::trace {

struct SpanFileOptions {
  std::string path;
  // Before it grows beyond that, the file becomes FILE.1, in the place of an older one.
  int64_t bytes_max = int64_t{100} << 20;
  size_t spans_max = 10'000;  // that wait to be written; those that come then are dropped
  std::string version;        // the program's, for the lines
  // Told, on the writer's thread, that the file does not take what is written, and when it does
  // again.
  std::function<void(const std::string& news)> tell = nullptr;
};

// Appends spans to a file as lines of OTLP JSON, on a thread of its own. Thread-safe.
class SpanFile final : public broker::SpanSink {
 public:
  // Opens the file, or says why it cannot be written.
  static absl::StatusOr<std::unique_ptr<SpanFile>> Open(SpanFileOptions options);
  // Writes what has been added.
  ~SpanFile() override;
  SpanFile(const SpanFile&) = delete;
  SpanFile& operator=(const SpanFile&) = delete;

  void Add(broker::Span span) override;
  void AddUntraced(int64_t tasks) override;
  broker::SpanFigures Figures() const override;

 private:
  SpanFile(SpanFileOptions options, int fd, int64_t bytes);

  void Work();
  bool Write(absl::Span<const broker::Span> spans);
  bool Append(std::string_view line);
  void Rotate();
  void TellOfErrors(bool written, int error);

  const SpanFileOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<broker::Span> waiting_;  // GUARDED_BY(mutex_)
  broker::SpanFigures figures_;        // GUARDED_BY(mutex_)
  bool ends_ = false;                  // GUARDED_BY(mutex_)

  // The writer's.
  int fd_;  // -1: it could not be opened again
  int64_t bytes_;
  bool fails_ = false;
  std::thread writer_;  // last: it uses the rest
};

}  // namespace treadle::trace
