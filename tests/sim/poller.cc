#include "tests/sim/poller.h"

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

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
    if (now_ms >= job.done_at_ms) {
      const Job done = job;
      if (calm || !random_.OneIn(10)) jobs_.erase(token);  // else it says so again
      return Complete(done);
    }
    if (calm ? now_ms > job.expires_at_ms - 500 : random_.OneIn(6)) {
      const CallId call = network_.OpenUnary(*this, broker::Lane::kWorkers);
      calls_[call] = token;
      const int64_t lease_ms = random_.Between(1'000, 3'000);
      job.expires_at_ms = now_ms + lease_ms;
      network_.Send(call, engine::ExtendLease{call, 0, job.lease.task, token, lease_ms});
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

void Poller::Complete(const Job& job) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kWorkers);
  calls_[call] = job.lease.token;
  engine::EndAttempt end{.call = call,
                         .task = job.lease.task,
                         .token = job.lease.token,
                         .end = engine::AttemptEnd::kSucceeded,
                         .reply = true};
  broker::BodyPtr result;
  if (*job.lease.type == "flaky" && random_.OneIn(2)) {
    end.end = engine::AttemptEnd::kFailed;
    end.error = {.type = "Flaky", .message = "as it goes"};
  } else if (random_.OneIn(12)) {
    end.end = engine::AttemptEnd::kReleased;
  } else {
    result = std::make_shared<broker::Body>(
        broker::Body{.bytes = ResultOf(job.lease.task, job.lease.token)});
  }
  network_.Send(call, std::move(end), std::move(result));
}

void Poller::Receive(CallId call, Delivery& delivery) {
  if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
    for (const broker::LeasedTask& task : leased->tasks) {
      const Token token = task.lease.token;
      oracle_.Executing(token);
      trace_.Note("poller runs", task.lease.task, {static_cast<uint64_t>(token)});
      const int64_t takes_ms =
          random_.OneIn(5) ? random_.Between(1'000, 6'000) : random_.Between(1, 300);
      jobs_[token] = Job{task.lease, timeline_.NowMs() + takes_ms, timeline_.NowMs() + 1'000};
    }
  } else if (const auto* extended = std::get_if<engine::LeaseExtended>(&delivery)) {
    if (!extended->status.ok()) jobs_.erase(extended->token);
  }
  if (call == poll_) poll_ = {};
  calls_.erase(call);
  network_.Close(call);
}

void Poller::Lost(CallId call) {
  if (call == poll_) poll_ = {};
  calls_.erase(call);
}

}  // namespace treadle::sim
