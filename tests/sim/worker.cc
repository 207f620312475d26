#include "tests/sim/worker.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/sim/single_tasks.h"

namespace treadle::sim {
namespace {

// A report under the token of a lease that is over has this result.
constexpr char kForged[] = "forged";
constexpr uint64_t kForgedInRunMax = 3;

}  // namespace

using broker::Delivery;
using broker::Request;
using engine::AttemptEnd;
using engine::CallId;
using engine::StopReason;
using engine::Token;

Worker::Worker(uint64_t number, Timeline& timeline, Random& random, Trace& trace, Network& network,
               Oracle& oracle)
    : number_(number),
      timeline_(timeline),
      random_(random),
      trace_(trace),
      network_(network),
      oracle_(oracle) {
  Begin();
}

void Worker::Begin() {
  worker_id_ = absl::StrCat("worker-", number_, "-", ++process_);
  // Whatever the other workers choose, somebody serves everything.
  const bool all = number_ == 0 || random_.OneIn(2);
  queues_ = {"fifo", "lifo", "priority", "tiny", "new-1", "new-2"};
  // Many slots, starts that are told late or never, and quick tasks that all take as long: so runs
  // stay together until they end.
  const bool broad = random_.OneIn(3);
  starts_one_in_ = broad ? 20 : 2;
  const int64_t slots = broad ? random_.Between(10, 30) : random_.Between(1, 4);
  pools_ = {engine::PoolSpec{"thread", static_cast<int32_t>(slots), {}}};
  if (!all) {
    queues_.resize(1 + random_.Below(queues_.size()));
    pools_[0].types = {"quick", "flaky", random_.Pick(kTypes)};
    pools_.push_back(engine::PoolSpec{"process", 2, {"slow", "deaf"}});
  }
  prefetch_ = static_cast<int32_t>(random_.Below(4));
  draining_ = false;
  mute_ = number_ != 0 && random_.OneIn(4);
  broken_ = number_ != 0 && random_.OneIn(4);
}

int Worker::Slots(int32_t pool) const { return pools_[static_cast<size_t>(pool)].slots; }

void Worker::Act(bool calm) {
  calm_ = calm;
  const int64_t now_ms = timeline_.NowMs();
  if (now_ms < begins_at_ms_ || now_ms < stalled_until_ms_) return;
  for (Delivery& delivery : std::exchange(unheard_, {})) Hear(delivery);
  if (call_ == CallId{}) {
    if (calm || random_.Percent(50)) Connect();
    return;
  }
  if (!attached_) return;
  if (!calm) {
    const uint64_t choice = random_.Below(1'000);
    if (choice < 8) return Die();
    if (choice < 20) return network_.Break(call_);
    if (choice < 28) {
      stalled_until_ms_ = now_ms + random_.Between(500, 8'000);
      trace_.Note("stall", {number_});
      return;
    }
    if (choice < 32) Drain();
    if (choice >= 32 && choice < 34) {
      const CallId operators = network_.OpenUnary(*this, broker::Lane::kWorkers);
      network_.Send(operators, engine::SetDrain{operators, {worker_id_, {}}, {}, /*for_ms=*/1'000});
    }
    if (choice >= 34 && choice < 37) {
      const CallId operators = network_.OpenUnary(*this, broker::Lane::kWorkers);
      network_.Send(operators, engine::ReleaseWorker{operators, worker_id_});
    }
    if (choice < 60) SayReportsAgain();
    if (choice < 75) ReportOver();
    if (random_.OneIn(4)) return;  // says nothing in this step
  }
  if (draining_ && now_ms >= drained_at_ms_) {
    for (auto& [token, job] : jobs_) {
      if (job.state != State::kReported) Report(job, AttemptEnd::kReleased);
    }
    if (jobs_.empty()) {
      network_.Close(call_);
      call_ = {};
      Begin();
      return;
    }
  }
  Flush();
}

void Worker::Drain() {
  if (draining_) return;
  draining_ = true;
  drained_at_ms_ = timeline_.NowMs() + random_.Between(0, 3'000);
  network_.Send(call_, engine::DrainWorker{call_});
}

void Worker::Leave() {
  if (call_ != CallId{}) network_.Close(call_);
  call_ = {};
  jobs_.clear();
  unheard_.clear();
}

void Worker::Connect() {
  call_ = network_.OpenStream(*this, broker::Lane::kWorkers);
  attached_ = false;
  granted_.assign(pools_.size(), 0);
  next_report_ = 1;
  engine::AttachWorker attach{.call = call_,
                              .worker_id = worker_id_,
                              .worker_name = worker_id_,
                              .peer = "sim",
                              .queues = queues_,
                              .pools = pools_};
  for (auto& [token, job] : jobs_) {
    job.report = 0;
    job.sent = job.handled;
    attach.held_tokens.push_back(token);
  }
  std::vector<Request> requests;
  requests.push_back({engine::Command(std::move(attach)), nullptr});
  for (auto& [token, job] : jobs_) {
    if (job.run == 0 || mute_) continue;
    job.told_started = true;
    requests.push_back({engine::Command(engine::StartAttempt{call_, token}), nullptr});
  }
  network_.Send(call_, std::move(requests));
}

void Worker::Receive(CallId call, Delivery& delivery) {
  if (std::holds_alternative<engine::DrainChanged>(delivery) ||
      std::holds_alternative<engine::WorkersReleased>(delivery)) {
    return network_.Close(call);
  }
  if (call != call_) return;
  if (timeline_.NowMs() < stalled_until_ms_) {
    unheard_.push_back(std::move(delivery));
  } else {
    Hear(delivery);
  }
}

void Worker::Hear(Delivery& delivery) {
  if (const auto* attached = std::get_if<engine::WorkerAttached>(&delivery)) {
    Attached(*attached);
  } else if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
    Take(*leased);
  } else if (const auto* stop = std::get_if<engine::StopAttempt>(&delivery)) {
    const auto job = jobs_.find(stop->token);
    if (job == jobs_.end()) return;
    job->second.stop = true;
    job->second.reason = stop->reason;
    if (job->second.state == State::kWaiting) {
      Report(job->second, AttemptEnd::kStopped);
    } else if (job->second.state == State::kRunning && job->second.lease.type != nullptr &&
               *job->second.lease.type != "deaf") {
      timeline_.In(random_.Between(0, 50),
                   [this, token = stop->token, run = job->second.run] { Finish(token, run); });
    }
  } else if (const auto* taken = std::get_if<broker::OutputTaken>(&delivery)) {
    const auto job = jobs_.find(taken->token);
    if (job == jobs_.end()) return;
    job->second.handled = std::max(job->second.handled, taken->next_index);
    job->second.sent = std::max(job->second.sent, job->second.handled);
  } else if (const auto* handled = std::get_if<engine::ReportsHandled>(&delivery)) {
    std::erase_if(jobs_, [&](const auto& entry) {
      const Job& job = entry.second;
      return job.state == State::kReported && job.report != 0 && job.report <= handled->sequence;
    });
  } else if (const auto* refused = std::get_if<engine::ReportDone>(&delivery)) {
    const auto job = jobs_.find(refused->token);
    if (job != jobs_.end() && !refused->status.ok()) jobs_.erase(job);
  } else if (std::holds_alternative<engine::DrainAsked>(delivery)) {
    Drain();
  } else if (std::holds_alternative<engine::EndCall>(delivery)) {
    network_.Close(call_);
    call_ = {};
    unheard_.clear();
  }
}

void Worker::Attached(const engine::WorkerAttached& event) {
  if (!event.status.ok()) {
    network_.Close(call_);
    call_ = {};
    return;
  }
  attached_ = true;
  for (const Token token : event.revoked_tokens) jobs_.erase(token);
  if (draining_) network_.Send(call_, engine::DrainWorker{call_});
  Flush();
}

void Worker::Take(const broker::Leased& leased) {
  for (const auto& [lease, payload] : LeasesOf(leased)) {
    --granted_[static_cast<size_t>(lease.pool)];
    jobs_[lease.token] = Job{.lease = lease};
  }
  StartJobs();
}

void Worker::StartJobs() {
  for (auto& [token, job] : jobs_) {
    if (job.state != State::kWaiting) continue;
    const int32_t pool = job.lease.pool;
    const auto busy = std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
      const Job& other = entry.second;
      return other.lease.pool == pool &&
             (other.state == State::kRunning || other.state == State::kConfirming);
    });
    if (busy >= Slots(pool)) continue;
    if (job.lease.confirm_start && !job.told_started && !mute_) {
      job.state = State::kConfirming;  // runs when the broker has been told
    } else {
      Run(job);
    }
  }
}

void Worker::Run(Job& job) {
  job.state = State::kRunning;
  job.run = next_run_++;
  const Token token = job.lease.token;
  const std::string& type = *job.lease.type;
  oracle_.Executing(token);
  trace_.Note("run", job.lease.task, {static_cast<uint64_t>(token)});
  int64_t takes_ms = starts_one_in_ > 2 ? 1 : random_.Between(1, 30);
  if (type == "slow") takes_ms = random_.Between(100, 2'000);
  if (type == "deaf") takes_ms = random_.Between(300, 3'000);
  const int64_t timeout_ms = job.lease.attempt_timeout_ms;
  job.timed_out = timeout_ms > 0 && takes_ms > timeout_ms && type != "deaf";
  if (job.timed_out) takes_ms = timeout_ms;
  timeline_.In(takes_ms, [this, token, run = job.run] { Finish(token, run); });
}

void Worker::Finish(Token token, uint64_t run) {
  const auto found = jobs_.find(token);
  if (found == jobs_.end() || found->second.run != run || found->second.state != State::kRunning) {
    return;
  }
  if (timeline_.NowMs() < stalled_until_ms_) {
    timeline_.At(stalled_until_ms_ + 1, [this, token, run] { Finish(token, run); });
    return;
  }
  Job& job = found->second;
  const std::string& type = *job.lease.type;
  if (type == "poison" && !job.stop) return Die();
  if (job.stop && type != "deaf") {
    Report(job, AttemptEnd::kStopped);
  } else if (job.timed_out || (broken_ && !calm_) || (type == "flaky" && random_.Percent(60))) {
    Report(job, AttemptEnd::kFailed);
  } else {
    Report(job, AttemptEnd::kSucceeded);
  }
  StartJobs();
}

void Worker::Report(Job& job, AttemptEnd end) {
  job.state = State::kReported;
  job.report = 0;
  job.end = engine::EndAttempt{.token = job.lease.token, .end = end};
  if (end == AttemptEnd::kSucceeded) {
    job.result = std::make_shared<broker::Body>(
        broker::Body{.bytes = ResultOf(job.lease.task, job.lease.token)});
  } else if (end == AttemptEnd::kFailed) {
    const char* type = random_.OneIn(3) ? "Hopeless" : "Flaky";
    job.end.error = {.type = job.timed_out ? "AttemptTimeout" : type,
                     .message = kReportedError,
                     .permanent = random_.OneIn(8)};
    if (random_.OneIn(3)) job.end.error.retry_after_ms = random_.Between(0, 5'000);
    if (random_.OneIn(2)) {
      job.end.error.exit_code = static_cast<int32_t>(random_.Between(1, 255));
      job.result = std::make_shared<broker::Body>(
          broker::Body{.bytes = ResultOf(job.lease.task, job.lease.token)});
    }
  }
}

// Everything that there is to say, in one message.
void Worker::Flush() {
  std::vector<Request> requests;
  const auto say = [&](engine::Command command) {
    requests.push_back({std::move(command), nullptr});
  };
  say(engine::Heartbeat{call_});
  std::vector<int32_t> held(pools_.size());
  std::vector<Token> confirmed;
  for (auto& [token, job] : jobs_) {
    if (job.state != State::kReported) ++held[static_cast<size_t>(job.lease.pool)];
    const bool starts = !mute_ && (job.state == State::kRunning || job.state == State::kConfirming);
    if (starts && !job.told_started &&
        (calm_ || job.state == State::kConfirming || random_.OneIn(starts_one_in_))) {
      say(engine::StartAttempt{call_, token});
      job.told_started = true;
      if (job.state == State::kConfirming) confirmed.push_back(token);
    }
    if (job.state == State::kRunning && random_.OneIn(8)) {
      requests.push_back(
          {broker::ReportProgress{call_, token, {0.5, ResultOf(job.lease.task, token)}}, nullptr});
    }
  }
  SayOutput(requests);
  SayReports(requests);
  for (size_t pool = 0; pool < pools_.size() && !draining_; ++pool) {
    const int32_t more = pools_[pool].slots + prefetch_ - held[pool] - granted_[pool];
    if (more <= 0) continue;
    say(engine::AddCredit{call_, static_cast<int32_t>(pool), more});
    granted_[pool] += more;
  }
  network_.Send(call_, std::move(requests));
  for (const Token token : confirmed) {
    const auto job = jobs_.find(token);
    if (job != jobs_.end() && job->second.state == State::kConfirming) Run(job->second);
  }
}

// Before the reports. Now and then some comes again.
void Worker::SayOutput(std::vector<Request>& requests) {
  for (auto& [token, job] : jobs_) {
    if (job.state == State::kRunning && random_.OneIn(5)) {
      job.said += static_cast<uint64_t>(random_.Between(1, 3));
    }
    if (!calm_ && random_.OneIn(30)) job.sent = job.handled;
    if (job.sent == job.said || (job.state == State::kReported && job.report != 0)) continue;
    broker::TakeOutput output{.call = call_, .token = token, .first_index = job.sent};
    for (; job.sent < job.said; ++job.sent) {
      output.entries.push_back({.data = absl::StrCat(ResultOf(job.lease.task, token), job.sent)});
    }
    requests.push_back({std::move(output), nullptr});
  }
}

// What was not said on this stream. Successes are kept back now and then, and so come together.
void Worker::SayReports(std::vector<Request>& requests) {
  const bool keeps_back = !calm_ && random_.OneIn(3);
  std::vector<const Job*> jobs;
  for (auto& [token, job] : jobs_) {
    if (job.state != State::kReported || job.report != 0) continue;
    if (keeps_back && job.end.end == AttemptEnd::kSucceeded) continue;
    job.report = next_report_;
    jobs.push_back(&job);
  }
  if (jobs.empty()) return;
  for (Request& report : ReportsOn(jobs)) requests.push_back(std::move(report));
  requests.push_back({engine::Command(engine::EndReports{call_, next_report_++}), nullptr});
}

void Worker::SayReportsAgain() {
  std::vector<const Job*> jobs;
  for (const auto& [token, job] : jobs_) {
    if (job.state == State::kReported && job.report != 0) jobs.push_back(&job);
  }
  if (!jobs.empty()) network_.Send(call_, ReportsOn(jobs));
}

// By token: in runs, which now and then end early.
std::vector<Request> Worker::ReportsOn(const std::vector<const Job*>& jobs) {
  std::vector<Request> reports;
  std::vector<const Job*> run;
  for (const Job* job : jobs) {
    if (!run.empty() && (random_.OneIn(6) || !Continues(*run.back(), *job))) {
      reports.push_back(ReportOn(run));
      run.clear();
    }
    run.push_back(job);
  }
  if (!run.empty()) reports.push_back(ReportOn(run));
  return reports;
}

// Both succeeded, and no token is between them; or, now and then, a few of leases that are over.
bool Worker::Continues(const Job& before, const Job& job) {
  if (before.end.end != AttemptEnd::kSucceeded || job.end.end != AttemptEnd::kSucceeded) {
    return false;
  }
  const auto last = static_cast<uint64_t>(job.lease.token);
  const uint64_t first = static_cast<uint64_t>(before.lease.token) + 1;
  if (last == first) return true;
  if (last - first > kForgedInRunMax || !random_.OneIn(2)) return false;
  for (uint64_t token = first; token < last; ++token) {
    if (jobs_.contains(Token{token}) || oracle_.IsLive(Token{token})) return false;
  }
  return true;
}

// One report on all of them.
Request Worker::ReportOn(const std::vector<const Job*>& run) const {
  engine::EndAttempt end = run.front()->end;
  end.call = call_;
  if (run.size() == 1) return {engine::Command(std::move(end)), run.front()->result};
  auto results = std::make_shared<broker::Body>();
  const auto add = [&](const std::string& result) {
    results->bytes += result;
    end.result_sizes.push_back(static_cast<uint32_t>(result.size()));
  };
  auto token = static_cast<uint64_t>(end.token);
  for (const Job* job : run) {
    for (; Token{token} != job->lease.token; ++token) add(kForged);
    add(job->result->bytes);
    ++token;
  }
  return {engine::Command(std::move(end)), std::move(results)};
}

// A report under the token of a lease that is over, somebody's or its own.
void Worker::ReportOver() {
  const auto& tasks = oracle_.ledger().tasks;
  if (tasks.empty()) return;
  const auto& task =
      std::next(tasks.begin(), static_cast<int64_t>(random_.Below(tasks.size())))->second;
  const uint64_t now = static_cast<uint64_t>(task.lease);
  // One of the latest, or of an earlier life, or the one before the task's.
  const uint64_t latest = oracle_.ledger().last_token;
  const Token token{random_.OneIn(2) || now == 0 ? latest - std::min(latest, random_.Below(40))
                                                 : now - 1};
  if (oracle_.IsLive(token) || jobs_.contains(token)) return;
  network_.Send(
      call_,
      engine::EndAttempt{.call = call_,
                         .token = token,
                         .end = random_.OneIn(2) ? AttemptEnd::kSucceeded : AttemptEnd::kFailed,
                         .error = {.type = "Forged", .message = "not its own"}},
      std::make_shared<broker::Body>(broker::Body{.bytes = kForged}));
}

void Worker::Die() {
  trace_.Note("die", {number_});
  if (call_ != CallId{}) {
    if (random_.OneIn(2)) {
      network_.Close(call_);
    } else {
      network_.Break(call_, /*peer_hears=*/false);
    }
  }
  call_ = {};
  jobs_.clear();
  unheard_.clear();
  begins_at_ms_ = timeline_.NowMs() + (calm_ ? 10 : random_.Between(0, 3'000));
  Begin();
}

void Worker::Lost(CallId call) {
  if (call != call_) return;
  call_ = {};
  unheard_.clear();
}

}  // namespace treadle::sim
