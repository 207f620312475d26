#include "worker/worker.h"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "worker/pool/thread_pool.h"
#include "worker/session.h"

namespace treadle {
namespace {

constexpr int kConcurrencyMax = 10'000;
constexpr int kPrefetchMax = 90'000;  // with the slots, the credit that a broker accepts

std::string DefaultName() {
  char host[256] = "";
  if (gethostname(host, sizeof(host) - 1) != 0 || !IsPrintableUtf8(host)) host[0] = '\0';
  return absl::StrCat(host, ":", getpid());
}

// New for each process: 128 random bits.
std::string NewWorkerId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

void WarnOnStderr(LogLevel level, std::string_view line) {
  if (level == LogLevel::kInfo) return;
  std::fprintf(stderr, "treadle worker: %.*s\n", static_cast<int>(line.size()), line.data());
}

WorkerOptions Complete(WorkerOptions options) {
  if (options.name.empty()) options.name = DefaultName();
  if (options.concurrency == 0) {
    options.concurrency = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  if (!options.log) options.log = WarnOnStderr;
  return options;
}

absl::Status OutOfBounds(std::string_view option, int64_t value, int64_t min, int64_t max) {
  return absl::InvalidArgumentError(absl::StrCat(absl::string_view(option.data(), option.size()),
                                                 " is ", value, ": choose ", min, " to ", max));
}

absl::Status Check(const WorkerOptions& options) {
  if (options.concurrency < 1 || options.concurrency > kConcurrencyMax) {
    return OutOfBounds("concurrency", options.concurrency, 1, kConcurrencyMax);
  }
  if (options.prefetch && (*options.prefetch < 0 || *options.prefetch > kPrefetchMax)) {
    return OutOfBounds("prefetch", *options.prefetch, 0, kPrefetchMax);
  }
  if (options.queues.empty()) {
    return absl::InvalidArgumentError("queues is empty: name the queues to serve");
  }
  // What is sent must be UTF-8; what else a name must be, the broker says.
  for (const std::string& queue : options.queues) {
    if (!IsPrintableUtf8(queue)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "queue '", CutMiddle(queue, 80), "': write a name in UTF-8 without control characters"));
    }
  }
  if (!IsPrintableUtf8(options.name) ||
      static_cast<int64_t>(options.name.size()) > limits::kNameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("name '", CutMiddle(options.name, 80),
                                                   "': write at most ", limits::kNameBytesMax,
                                                   " bytes of UTF-8 without control characters"));
  }
  return absl::OkStatus();
}

}  // namespace

class Worker::Impl {
 public:
  explicit Impl(WorkerOptions options) : options_(Complete(std::move(options))) {
    worker::SessionOptions session;
    session.broker = options_.broker;
    session.worker_id = NewWorkerId();
    session.worker_name = options_.name;
    session.queues = options_.queues;
    session.drain_timeout = options_.drain_timeout;
    session.stop_grace = options_.stop_grace;
    session.log = options_.log;
    session_ = std::make_shared<worker::Session>(std::move(session));
  }

  void Add(std::string_view type, worker::Handler handler) {
    if (!handlers_->Add(type, std::move(handler))) {
      registration_.Update(absl::InvalidArgumentError(
          absl::StrCat("type '", absl::string_view(type.data(), type.size()),
                       "' has two handlers: register one")));
    }
    if (!IsPrintableUtf8(type)) {
      registration_.Update(absl::InvalidArgumentError(absl::StrCat(
          "type '", CutMiddle(type, 80), "': write a name in UTF-8 without control characters")));
    }
  }

  absl::Status Run();

  worker::Session& session() { return *session_; }

 private:
  const WorkerOptions options_;
  const std::shared_ptr<worker::Handlers> handlers_ = std::make_shared<worker::Handlers>();
  absl::Status registration_;
  std::shared_ptr<worker::Session> session_;
};

absl::Status Worker::Impl::Run() {
  absl::Status status = registration_;
  status.Update(Check(options_));
  if (!status.ok()) return status;
  const std::vector<std::string> types = handlers_->Types();
  if (types.empty()) {
    return absl::FailedPreconditionError(
        "this worker has no handlers: register one with Handle before Run");
  }
  const worker::Prefetch prefetch(options_.prefetch);
  worker::ThreadPoolOptions pool_options;
  pool_options.slots = options_.concurrency;
  pool_options.waiting_max = options_.prefetch.value_or(worker::Prefetch::kAdaptiveMax);
  pool_options.initializer = options_.thread_initializer;
  auto pool = worker::ThreadPool::Start(std::move(pool_options), handlers_, session_);
  if (!pool.ok()) return pool.status();

  options_.log(LogLevel::kInfo,
               absl::StrCat("serving queues ", absl::StrJoin(options_.queues, ", "), " with ",
                            options_.concurrency, " threads; types ", absl::StrJoin(types, ", ")));
  status = session_->Serve({worker::ServedPool(**pool, types, prefetch)});
  const size_t abandoned = (*pool)->Shutdown(std::chrono::milliseconds(0));
  if (abandoned > 0 && !absl::IsCancelled(status)) {
    return absl::AbortedError(absl::StrCat(abandoned,
                                           " handlers did not stop and still run; their "
                                           "tasks were handed back"));
  }
  return status;
}

Worker::Worker(WorkerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Worker::~Worker() = default;

void Worker::Add(std::string_view type, worker::Handler handler, RunIn) {
  impl_->Add(type, std::move(handler));
}

absl::Status Worker::Run() { return impl_->Run(); }
void Worker::Stop() { impl_->session().Drain(); }
void Worker::Abort() { impl_->session().Abort(); }

}  // namespace treadle
