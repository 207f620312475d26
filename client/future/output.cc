#include "treadle/output.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/future/future_state.h"
#include "client/future/output_calls.h"
#include "client/session/reconnect_backoff.h"

namespace treadle {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long one call waits at the broker.
constexpr milliseconds kLongPoll(30'000);

// What wakes who waits for the task to be accepted.
constexpr size_t kAccepted = 0;
constexpr size_t kStopped = 1;

OutputKind KindOf(v1::OutputKind kind) {
  return v1::OutputKind_IsValid(kind) ? static_cast<OutputKind>(kind) : OutputKind::kUnknown;
}

// Asking again may help.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status);
}

}  // namespace

struct TaskOutput::Impl {
  Impl(std::unique_ptr<client::OutputCalls> calls_in, const FollowOptions& options_in)
      : calls(std::move(calls_in)),
        options(options_in),
        deadline(DeadlineAfter(options.timeout)),
        read_to(options.from_offset) {}

  bool finished() const { return ended || nothing_now || !status.ok(); }
  void End(absl::Status why) { status = std::move(why); }
  void EndInTime(absl::string_view why);
  void AwaitTask();
  void Read();
  void Take(v1::ReadOutputResponse response);
  void TryAgain(const absl::Status& failed);

  const std::unique_ptr<client::OutputCalls> calls;
  const FollowOptions options;
  const steady_clock::time_point deadline;
  client::FutureStateRef awaited;  // null: the id is known
  const std::shared_ptr<client::WaitPoint> point = std::make_shared<client::WaitPoint>();
  std::string task_id;

  std::deque<OutputEntry> ready;  // read, and not given yet
  uint64_t read_to;               // every offset below was read
  bool ended = false;             // the task, and all was read
  bool nothing_now = false;
  absl::Status status;
  client::ReconnectBackoff backoff;
  std::optional<steady_clock::time_point> away_since;  // the broker
};

void TaskOutput::Impl::EndInTime(absl::string_view why) {
  End(absl::DeadlineExceededError(absl::StrCat("the task has not ended within the timeout", why,
                                               ": follow it again from offset ", read_to,
                                               ", or with a longer timeout")));
}

void TaskOutput::Impl::AwaitTask() {
  client::FutureState& state = *awaited.get();
  client::PointListener listener(awaited, client::Listener::Until::kAccepted, point, kAccepted);
  if (listener.Start()) {
    const std::optional<size_t> woken = point->Next(deadline);
    if (!woken.has_value()) return EndInTime(": the broker has not answered the submit");
    if (*woken == kStopped) return End(calls->PauseUntil(steady_clock::now()));
  }
  if (!state.IsAccepted()) return End(state.status);
  task_id = state.id.ToString();
}

void TaskOutput::Impl::Read() {
  const steady_clock::time_point asked = steady_clock::now();
  if (asked >= deadline) return EndInTime("");
  const milliseconds wait =
      options.wait ? std::min(kLongPoll, std::chrono::ceil<milliseconds>(deadline - asked))
                   : milliseconds(0);
  v1::ReadOutputRequest request;
  request.set_task_id(task_id);
  request.set_offset(read_to);
  request.set_wait_ms(wait.count());
  absl::StatusOr<v1::ReadOutputResponse> response = calls->Read(
      request, std::min(Timeout(wait) + Timeout(calls->call_timeout()), TimeUntil(deadline)));
  if (!response.ok()) return TryAgain(response.status());
  Take(*std::move(response));
  const bool nothing = read_to == request.offset() && !ended;
  nothing_now = nothing && !options.wait;
  if (nothing && steady_clock::now() < asked + wait / 2) {
    // Whatever answers so would be asked without a pause.
    return TryAgain(absl::UnavailableError("the broker answered nothing before the wait was over"));
  }
  backoff.Reset();
  away_since.reset();
}

void TaskOutput::Impl::Take(v1::ReadOutputResponse response) {
  for (v1::OutputRun& run : *response.mutable_runs()) {
    uint64_t offset = run.first_offset();
    for (v1::OutputEntry& said : *run.mutable_entries()) {
      const uint64_t at = offset++;
      if (at < read_to) continue;
      read_to = at + 1;
      OutputEntry& entry = ready.emplace_back();
      entry.offset = at;
      entry.attempt = run.attempt();
      entry.superseded = run.superseded();
      entry.kind = KindOf(said.kind());
      entry.time_ms = said.time_ms();
      entry.data = std::move(*said.mutable_data());
      entry.content_type = std::move(*said.mutable_content_type());
    }
  }
  read_to = std::max(read_to, response.next_offset());
  ended = response.end();
}

void TaskOutput::Impl::TryAgain(const absl::Status& failed) {
  const steady_clock::time_point now = steady_clock::now();
  if (now >= deadline && IsPassing(failed)) {
    return EndInTime(absl::StrCat(" (", failed.message(), ")"));
  }
  if (!options.wait || !IsPassing(failed)) return End(failed);
  if (absl::IsResourceExhausted(failed)) {
    away_since.reset();
  } else if (!away_since.has_value()) {
    away_since = now;
  }
  const milliseconds give_up_after = calls->give_up_after();
  if (away_since.has_value() && give_up_after.count() > 0 && now >= *away_since + give_up_after) {
    return End(absl::UnavailableError(failed.message()));
  }
  status = calls->PauseUntil(std::min(now + backoff.Next(), deadline));
}

TaskOutput::TaskOutput(std::unique_ptr<client::OutputCalls> calls, std::string task_id,
                       const FollowOptions& options)
    : impl_(std::make_unique<Impl>(std::move(calls), options)) {
  impl_->task_id = std::move(task_id);
}

TaskOutput::TaskOutput(std::unique_ptr<client::OutputCalls> calls, client::FutureStateRef awaited,
                       const FollowOptions& options)
    : impl_(std::make_unique<Impl>(std::move(calls), options)) {
  impl_->awaited = std::move(awaited);
}

TaskOutput::TaskOutput(TaskOutput&& other) noexcept = default;
TaskOutput& TaskOutput::operator=(TaskOutput&& other) noexcept = default;
TaskOutput::~TaskOutput() = default;

std::optional<OutputEntry> TaskOutput::Next() {
  if (impl_->task_id.empty() && !impl_->finished()) impl_->AwaitTask();
  while (impl_->ready.empty() && !impl_->finished()) impl_->Read();
  if (impl_->ready.empty()) return std::nullopt;
  OutputEntry entry = std::move(impl_->ready.front());
  impl_->ready.pop_front();
  return entry;
}

const absl::Status& TaskOutput::status() const { return impl_->status; }

bool TaskOutput::ended() const { return impl_->ended && impl_->ready.empty(); }

uint64_t TaskOutput::next_offset() const {
  return impl_->ready.empty() ? impl_->read_to : impl_->ready.front().offset;
}

void TaskOutput::Stop() {
  if (impl_->calls != nullptr) impl_->calls->Stop();
  if (impl_->point->Arrive(kStopped)) impl_->point->Wake();
}

}  // namespace treadle
