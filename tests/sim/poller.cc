#include "tests/sim/poller.h"

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/sim/single_tasks.h"

namespace treadle::sim {

using broker::Delivery;
using engine::CallId;
using engine::Token;

Poller::Poller(uint64_t number, Timeline& timeline, Random& random, Trace& trace, Network& network,
               Oracle& oracle)
    : number_(number),
      timeline_(timeline),
      random_(random),
      trace_(trace),
      network_(network),
      oracle_(oracle) {}

void Poller::Act(bool calm) {
  const int64_t now_ms = timeline_.NowMs();
  if (!calm && random_.OneIn(100)) jobs_.clear();  // dies, and is there again
  if (poll_ == CallId{} && jobs_.size() < 3) return Poll(calm);
  for (auto& [token, job] : jobs_) {
    if (job.report != CallId{}) continue;
    if (now_ms >= job.done_at_ms) return Complete(job);
    if (calm ? now_ms > job.expires_at_ms - 500 : random_.OneIn(6)) {
      const CallId call = network_.OpenUnary(*this, broker::Lane::kWorkers);
      calls_[call] = token;
      const int64_t lease_ms = random_.Between(1'000, 3'000);
      job.expires_at_ms = now_ms + lease_ms;
      network_.Send(call, engine::ExtendLease{call, 0, token, lease_ms});
      return;
    }
  }
  if (poll_ != CallId{} && !calm && random_.OneIn(20)) {  // gives up waiting
    network_.Close(poll_);
    poll_ = {};
  }
}

void Poller::Poll(bool calm) {
  poll_ = network_.OpenUnary(*this, broker::Lane::kWorkers);
  engine::PollTasks poll{.call = poll_,
                         .queues = {"fifo", "priority", "new-1"},
                         .types = {"quick", "flaky"},
                         .worker_name = absl::StrCat("poller-", number_),
                         .max_tasks = static_cast<int32_t>(random_.Between(1, 3)),
                         .lease_ms = random_.Between(1'000, 4'000),
                         .wait_ms = random_.OneIn(3) ? 0 : random_.Between(10, 3'000)};
  if (calm || random_.OneIn(2)) poll.types.clear();
  if (calm || random_.OneIn(2))
    poll.queues = {"fifo", "lifo", "priority", "tiny", "new-1", "new-2"};
  network_.Send(poll_, std::move(poll));
}

// Once more when the answer was lost; now and then with another end, which it has no right to.
void Poller::Complete(Job& job) {
  if (job.end.token != Token{} && !random_.OneIn(10)) return Report(job);
  job.end = engine::EndAttempt{
      .token = job.lease.token, .end = engine::AttemptEnd::kSucceeded, .reply = true};
  job.result = nullptr;
  if (*job.lease.type == "flaky" && random_.OneIn(2)) {
    job.end.end = engine::AttemptEnd::kFailed;
    job.end.error = {.type = "Flaky", .message = kReportedError};
  } else if (random_.OneIn(12)) {
    job.end.end = engine::AttemptEnd::kReleased;
  } else {
    job.result = std::make_shared<broker::Body>(
        broker::Body{.bytes = ResultOf(job.lease.task, job.lease.token)});
  }
  Report(job);
}

void Poller::Report(Job& job) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kWorkers);
  calls_[call] = job.lease.token;
  job.end.call = job.report = call;
  network_.Send(call, job.end, job.result);
}

void Poller::Leave() {
  if (poll_ != CallId{}) network_.Close(poll_);
  poll_ = {};
  for (const auto& [call, token] : calls_) network_.Close(call);
  calls_.clear();
  jobs_.clear();
}

void Poller::Receive(CallId call, Delivery& delivery) {
  if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
    for (const auto& [lease, payload] : LeasesOf(*leased)) {
      const Token token = lease.token;
      oracle_.Executing(token);
      trace_.Note("poller runs", lease.task, {static_cast<uint64_t>(token)});
      const int64_t takes_ms =
          random_.OneIn(5) ? random_.Between(1'000, 6'000) : random_.Between(1, 300);
      jobs_[token] = Job{lease, timeline_.NowMs() + takes_ms, timeline_.NowMs() + 1'000};
    }
  } else if (const auto* done = std::get_if<engine::ReportDone>(&delivery)) {
    const auto job = jobs_.find(done->token);
    // Sometimes it did not listen.
    if (job != jobs_.end()) job->second.report = {};
    if (!random_.OneIn(6)) jobs_.erase(done->token);
  } else if (const auto* extended = std::get_if<engine::LeaseExtended>(&delivery)) {
    if (!extended->status.ok()) jobs_.erase(extended->token);
  }
  if (call == poll_) poll_ = {};
  calls_.erase(call);
  network_.Close(call);
}

void Poller::Lost(CallId call) {
  if (call == poll_) poll_ = {};
  const auto about = calls_.extract(call);
  if (about.empty()) return;
  const auto job = jobs_.find(about.mapped());
  if (job != jobs_.end() && job->second.report == call) job->second.report = {};
}

}  // namespace treadle::sim
