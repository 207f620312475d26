#include "treadle/worker.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/address.h"
#include "proto/support/limits.h"
#include "proto/support/text.h"
#include "proto/support/utf8.h"
#include "worker/placement/handler_stats.h"
#include "worker/placement/placement.h"
#include "worker/placement/pool_set.h"
#include "worker/pool/pool_bounds.h"
#include "worker/pool/process/parent_link.h"
#include "worker/pool/process/pool_child.h"
#include "worker/session/session.h"
#include "worker/signal_watch.h"

namespace treadle {
namespace {

constexpr std::chrono::milliseconds kTellHandlersEvery{2'000};

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

// Workers are told apart by the order in which they are made.
std::string NextChildKey() {
  static std::atomic<int> made{0};
  return absl::StrCat(++made);
}

WorkerOptions Complete(WorkerOptions options) {
  if (options.name.empty()) options.name = DefaultName();
  if (!options.log) options.log = WarnOnStderr;
  return options;
}

absl::Status OutOfBounds(std::string_view option, int64_t value, int64_t min, int64_t max) {
  return absl::InvalidArgumentError(
      absl::StrCat(Absl(option), " is ", value, ": choose ", min, " to ", max));
}

absl::Status CheckLabels(const std::map<std::string, std::string>& labels) {
  const bool fit = std::all_of(labels.begin(), labels.end(), [](const auto& label) {
    return !label.first.empty() && std::ssize(label.first) <= limits::kLabelKeyBytesMax &&
           std::ssize(label.second) <= limits::kNameBytesMax && IsPrintableUtf8(label.first) &&
           IsPrintableUtf8(label.second);
  });
  if (fit && std::ssize(labels) <= limits::kLabelsMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("labels: use at most ", limits::kLabelsMax, ", each with a key of 1 to ",
                   limits::kLabelKeyBytesMax, " bytes and a value of at most ",
                   limits::kNameBytesMax, ", UTF-8 without control characters"));
}

absl::Status Check(const WorkerOptions& options) {
  if (options.concurrency < 0 || options.concurrency > worker::kThreadsMax) {
    return OutOfBounds("concurrency", options.concurrency, 0, worker::kThreadsMax);
  }
  if (options.processes < 0 || options.processes > worker::kProcessesMax) {
    return OutOfBounds("processes", options.processes, 0, worker::kProcessesMax);
  }
  if (options.coroutines < 1 || options.coroutines > worker::kCoroutinesMax) {
    return OutOfBounds("coroutines", options.coroutines, 1, worker::kCoroutinesMax);
  }
  if (options.prefetch && (*options.prefetch < 0 || *options.prefetch > worker::kPrefetchMax)) {
    return OutOfBounds("prefetch", *options.prefetch, 0, worker::kPrefetchMax);
  }
  for (const auto& [name, length] :
       {std::pair("drain_timeout in ms", options.drain_timeout),
        std::pair("stop_grace in ms", options.stop_grace),
        std::pair("terminate_after in ms", options.terminate_after),
        std::pair("kill_after in ms", options.kill_after),
        std::pair("child_cpu_time_max in ms", options.child_cpu_time_max)}) {
    if (length.count() < 0 || length.count() > limits::kAheadMsMax) {
      return OutOfBounds(name, length.count(), 0, limits::kAheadMsMax);
    }
  }
  if (options.queues.empty()) {
    return absl::InvalidArgumentError("queues is empty: name the queues to serve");
  }
  if (const auto broker = BrokerAddress(options.broker); !broker.ok()) return broker.status();
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
  return CheckLabels(options.labels);
}

}  // namespace

class Worker::Impl {
 public:
  explicit Impl(WorkerOptions options) : options_(Complete(std::move(options))) {
    handlers_->SetAround(options_.around);
    handlers_->SetConnectClient(options_.connect_client);
    // A child talks to its parent alone.
    if (InChild()) return;
    worker::SessionOptions session;
    // What is no address, Run refuses.
    session.broker = BrokerAddress(options_.broker).value_or(Address());
    session.http_proxy = options_.http_proxy;
    session.worker_id = NewWorkerId();
    session.worker_name = options_.name;
    session.labels = options_.labels;
    session.queues = options_.queues;
    session.drain_timeout = options_.drain_timeout;
    session.stop_grace = options_.stop_grace;
    session.log = options_.log;
    session.every_window = [this] {
      DecidePlacement();
      TellHandlers();
    };
    session_ = std::make_shared<worker::Session>(std::move(session));
  }

  void Add(std::string_view type, worker::Handler handler, RunIn run_in) {
    Added(type, handlers_->Add(type, std::move(handler)), run_in, false);
  }
  void Add(std::string_view type, std::shared_ptr<const worker::CoroutineHandler> handler,
           RunIn run_in) {
    Added(type, handlers_->AddCoroutine(type, std::move(handler)), run_in, true);
  }

  absl::Status Run();
  const worker::Handlers& handlers() const { return *handlers_; }
  int RunUntilSignal();
  WorkerStats Stats() const { return session_ == nullptr ? WorkerStats() : session_->Stats(); }

  void Stop() {
    stop_starting_.request_stop();
    if (session_ != nullptr) session_->Drain();
  }
  void Abort() {
    aborted_ = true;
    stop_starting_.request_stop();
    if (session_ != nullptr) session_->Abort();
  }

 private:
  void Added(std::string_view type, bool first, RunIn run_in, bool coroutine);
  [[noreturn]] void RunInChild();
  absl::Status CheckHandlers();
  void DecidePlacement();
  void TellHandlers();
  void LogHandlers() const;

  const WorkerOptions options_;
  // The same number in this program's child processes.
  const std::string child_key_ = NextChildKey();
  const std::shared_ptr<worker::Handlers> handlers_ = std::make_shared<worker::Handlers>();
  worker::Placement placement_;
  worker::HandlerStatsList handlers_told_;
  std::chrono::steady_clock::time_point tell_handlers_at_;
  absl::Status registration_;
  std::stop_source stop_starting_;
  std::atomic<bool> aborted_{false};
  std::shared_ptr<worker::Session> session_;  // none in a child
  std::optional<worker::PoolSet> pools_;
};

void Worker::Impl::Added(std::string_view type, bool first, RunIn run_in, bool coroutine) {
  if (!first) {
    registration_.Update(absl::InvalidArgumentError(
        absl::StrCat("type '", Absl(type), "' has two handlers: register one")));
  }
  if (!IsPrintableUtf8(type)) {
    registration_.Update(absl::InvalidArgumentError(absl::StrCat(
        "type '", CutMiddle(type, 80), "': write a name in UTF-8 without control characters")));
  }
  registration_.Update(placement_.Add(type, run_in, coroutine));
}

void Worker::Impl::RunInChild() {
  if (worker::ParentLink::Key() == child_key_) {
    worker::ServeParent(*handlers_, options_.process_initializer);
  }
  // The child is another Worker's, whose Run will end the process.
  while (true) ::pause();
}

absl::Status Worker::Impl::CheckHandlers() {
  absl::Status status = registration_;
  for (const auto& [type, run_in] : options_.run_in) {
    status.Update(placement_.Override(type, run_in));
  }
  status.Update(Check(options_));
  if (status.ok() && handlers_->Types().empty()) {
    return absl::FailedPreconditionError(
        "this worker has no handlers: register one with Handle before Run");
  }
  return status;
}

absl::Status Worker::Impl::Run() {
  if (InChild()) RunInChild();
  absl::Status status = CheckHandlers();
  if (!status.ok()) return status;
  auto pools = worker::PoolSet::Start(options_, child_key_, stop_starting_.get_token(), placement_,
                                      handlers_, session_);
  if (!pools.ok()) {
    // Of a worker that has taken nothing yet, Stop was asked for.
    const bool stopped = absl::IsCancelled(pools.status()) && !aborted_;
    return stopped ? absl::OkStatus() : pools.status();
  }
  pools_.emplace(*std::move(pools));

  options_.log(
      LogLevel::kInfo,
      absl::StrCat("serving queues ", absl::StrJoin(options_.queues, ", "), " with ",
                   pools_->Describe(), "; types ", absl::StrJoin(handlers_->Types(), ", ")));
  status = session_->Serve(pools_->Served(options_, placement_));
  const size_t abandoned = pools_->Shutdown();
  LogHandlers();
  if (abandoned > 0 && !absl::IsCancelled(status)) {
    return absl::AbortedError(absl::StrCat(abandoned,
                                           " handlers did not stop and still run; their "
                                           "tasks were handed back"));
  }
  return status;
}

int Worker::Impl::RunUntilSignal() {
  // Run does not return there, and the parent's SIGTERM ends it.
  if (InChild()) RunInChild();
  absl::StatusOr<std::unique_ptr<worker::SignalWatch>> watch =
      worker::SignalWatch::Start([this](int) { Stop(); });
  const absl::Status status = watch.ok() ? Run() : watch.status();
  if (status.ok()) return EXIT_SUCCESS;
  options_.log(LogLevel::kWarning, status.ToString());
  if (absl::IsAborted(status)) {
    std::fflush(nullptr);
    std::_Exit(EXIT_FAILURE);
  }
  return EXIT_FAILURE;
}

// By the thread in Run.
void Worker::Impl::DecidePlacement() {
  if (!placement_.Decide(*handlers_)) return;
  options_.log(LogLevel::kInfo,
               absl::StrCat("measured to compute, so run in processes from now on: ",
                            absl::StrJoin(placement_.TypesIn(RunIn::kProcess), ", ")));
  session_->Place(pools_->Types(placement_));
}

// By the thread in Run.
void Worker::Impl::TellHandlers() {
  const auto now = std::chrono::steady_clock::now();
  if (now < tell_handlers_at_) return;
  tell_handlers_at_ = now + kTellHandlersEvery;
  worker::HandlerStatsList handlers = worker::WriteHandlerStats(*handlers_, placement_);
  if (worker::Unchanged(handlers_told_, handlers)) return;
  handlers_told_ = handlers;
  session_->TellHandlers(std::move(handlers));
}

// What its operator might do better the next time.
void Worker::Impl::LogHandlers() const {
  for (const std::string& type : handlers_->Types()) {
    const worker::HandlerShare share = worker::HandlerShare::Of(*handlers_->MeterOf(type));
    if (share.runs == 0) continue;
    options_.log(LogLevel::kInfo, placement_.Describe(type, share));
  }
}

Worker::Worker(WorkerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Worker::~Worker() = default;

bool Worker::InChild() { return worker::ParentLink::Exists(); }

void Worker::Add(std::string_view type, worker::Handler handler, RunIn run_in) {
  impl_->Add(type, std::move(handler), run_in);
}

void Worker::Add(std::string_view type, std::shared_ptr<const worker::CoroutineHandler> handler,
                 RunIn run_in) {
  impl_->Add(type, std::move(handler), run_in);
}

const worker::Handlers& Worker::handlers() const { return impl_->handlers(); }

absl::Status Worker::Run() { return impl_->Run(); }
int Worker::RunUntilSignal() { return impl_->RunUntilSignal(); }
WorkerStats Worker::Stats() const { return impl_->Stats(); }
void Worker::Stop() { impl_->Stop(); }
void Worker::Abort() { impl_->Abort(); }

}  // namespace treadle
