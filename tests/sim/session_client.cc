#include "tests/sim/session_client.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/sim/single_tasks.h"

namespace treadle::sim {
namespace {

constexpr uint64_t kRunTasksMax = 60;

}  // namespace

using broker::Delivery;
using broker::Request;
using engine::CallId;
using engine::Durability;

SessionClient::SessionClient(Timeline& timeline, Random& random, Trace& trace, Network& network)
    : timeline_(timeline), random_(random), trace_(trace), network_(network) {}

void SessionClient::Act(bool calm) {
  if (call_ == CallId{}) {
    if (calm || random_.Percent(60)) Connect();
    return;
  }
  if (!opened_) return;
  if (calm) {
    for (auto& [sequence, task] : tasks_) {
      if (task.state == State::kUnsent) return SendTasks(/*again=*/false);
    }
    return;
  }
  const uint64_t choice = random_.Below(100);
  if (choice < 55) {
    NewTasks();
    SendTasks(/*again=*/random_.OneIn(20));
  } else if (choice < 65) {
    if (tasks_.empty()) return;
    const uint64_t sequence =
        next_sequence_ - 1 - random_.Below(std::min<uint64_t>(8, next_sequence_ - 1));
    const auto task = tasks_.find(sequence);
    const bool known = task != tasks_.end() && task->second.state == State::kAccepted;
    network_.Send(call_, engine::Cancel{call_, sequence,
                                        known ? task->second.id : TaskId{session_, sequence}});
  } else if (choice < 70) {
    Await();
  } else if (choice < 80) {
    Acknowledge();
  } else if (choice < 82) {
    network_.Break(call_);
  } else if (choice < 84) {
    Steal();
  } else if (choice < 86) {  // its process dies: what it had sent is nobody's any more
    if (random_.OneIn(2)) network_.Send(call_, engine::CloseSession{call_});
    if (random_.OneIn(2)) {
      network_.Close(call_);
    } else {
      network_.Break(call_, /*peer_hears=*/false);
    }
    Forget();
  }
}

void SessionClient::Leave() {
  if (call_ == CallId{}) return;
  network_.Send(call_, engine::CloseSession{call_});
  network_.Close(call_);
  call_ = {};
}

// Somebody opens a session, perhaps one of which he knows the number, and is gone.
void SessionClient::Steal() {
  const CallId call = network_.OpenStream(*this, broker::Lane::kClients);
  engine::OpenSession open{.call = call, .secret = {random_.Next(), random_.Next()}};
  if (!random_.OneIn(3)) open.session = session_ - random_.Below(2);
  network_.Send(call, open);
  network_.Close(call);
}

std::string SessionClient::Left() const {
  std::string left;
  for (const auto& [sequence, task] : tasks_) {
    if (task.state == State::kEnded || task.state == State::kGivenUp) continue;
    absl::StrAppend(&left, TaskId{session_, sequence}.ToString(),
                    task.state == State::kAccepted ? " has no outcome; " : " has no answer; ");
  }
  return left;
}

void SessionClient::Connect() {
  call_ = network_.OpenStream(*this, broker::Lane::kClients);
  opened_ = false;
  all_outcomes_ = random_.Percent(80);
  std::vector<Request> requests;
  if (session_ == 0) secret_ = {random_.Next(), random_.Next()};
  const engine::Command open = engine::OpenSession{.call = call_,
                                                   .session = session_,
                                                   .secret = secret_,
                                                   .acknowledged_below = acknowledged_below_};
  const broker::DeliverOutcomes outcomes{call_, all_outcomes_};
  if (random_.OneIn(2)) requests.push_back({outcomes, nullptr});
  requests.push_back({open, nullptr});
  if (requests.size() == 1) requests.push_back({outcomes, nullptr});
  network_.Send(call_, std::move(requests));
}

void SessionClient::Receive(CallId call, Delivery& delivery) {
  if (call != call_) return;
  if (const auto* opened = std::get_if<engine::SessionOpened>(&delivery)) {
    Opened(*opened);
  } else if (const auto* answer = std::get_if<engine::Submitted>(&delivery)) {
    Answered(*answer);
  } else if (const auto* outcome = std::get_if<broker::OutcomeReady>(&delivery)) {
    Ended({outcome->row->id, outcome->row->tasks});
  } else if (const auto* unknown = std::get_if<broker::TaskUnknown>(&delivery)) {
    Ended({unknown->task});
  } else if (std::holds_alternative<engine::EndCall>(delivery)) {
    network_.Close(call_);
    call_ = {};
  }
}

void SessionClient::Opened(const engine::SessionOpened& event) {
  if (!event.status.ok()) {  // it was forgotten: nobody can say any more what was accepted
    network_.Close(call_);
    Forget();
    return;
  }
  session_ = event.session;
  secret_ = event.secret;
  opened_ = true;
  SendTasks(/*again=*/true);
  Await();
}

void SessionClient::Answered(const engine::Submitted& event) {
  for (const engine::Submitted& answer : AnswersOf(event)) AnsweredTask(answer);
}

void SessionClient::AnsweredTask(const engine::Submitted& event) {
  const auto found = tasks_.find(event.item);
  if (found == tasks_.end()) return;
  Task& task = found->second;
  if (event.status.ok()) {
    if (task.state == State::kEnded) return;  // its outcome was faster
    // Sent twice, with a request key that was free in between, it is another task's and then its
    // own.
    const bool first = task.state != State::kAccepted || task.id != event.id;
    task.state = State::kAccepted;
    task.id = event.id;
    if (first && (event.existing || task.sent_again || !all_outcomes_)) {
      std::vector<Request> await;
      await.push_back({broker::AwaitTask{call_, task.id}, nullptr});
      network_.Send(call_, std::move(await));
    }
  } else if (task.state == State::kSent) {
    task.state = random_.OneIn(3) ? State::kUnsent : State::kGivenUp;
  }
}

void SessionClient::Ended(const engine::TaskRange& ended) {
  for (auto& [sequence, task] : tasks_) {
    if (ended.Contains(task.id == TaskId{} ? TaskId{session_, sequence} : task.id)) {
      if (task.state == State::kAccepted || task.state == State::kSent) task.state = State::kEnded;
    }
  }
}

// Each with options of its own, or, as most programs have it, all with the same.
void SessionClient::NewTasks() {
  const bool alike = random_.OneIn(2);
  const uint64_t count = 1 + random_.Below(alike && random_.OneIn(3) ? kRunTasksMax : 4);
  for (uint64_t i = 0; i < count; ++i) {
    Task& task = tasks_[next_sequence_++];
    task.work = RandomWork(random_, timeline_.NowMs(), 12);
    task.like_before = alike && i > 0;
    if (task.like_before) task.work.TakeOptions(tasks_[next_sequence_ - 2].work);
  }
}

// In order, those that are alike and have no key as runs; but now and then one of them alone.
// `again`: also what was sent on an earlier stream, or even on this one, and has no answer.
void SessionClient::SendTasks(bool again) {
  std::vector<Request> requests;
  std::vector<const Work*> run;
  uint64_t first = 0;  // sequences of the run
  uint64_t last = 0;
  for (auto& [sequence, task] : tasks_) {
    if (task.state != State::kUnsent && !(again && task.state == State::kSent)) continue;
    if (task.state == State::kSent) {
      task.sent_again = true;
      // It may want another level than it did at first.
      if (random_.OneIn(8)) {
        task.work.spec.durability = Durability(random_.Between(1, 3));
        task.like_before = false;
        if (const auto next = tasks_.find(sequence + 1); next != tasks_.end()) {
          next->second.like_before = false;
        }
      }
    }
    task.state = State::kSent;
    const bool joins = task.like_before && last == sequence - 1 &&
                       task.work.spec.request_key.empty() && !random_.OneIn(8);
    if (!joins && !run.empty()) requests.push_back(ToRequest(first, run));
    if (!joins) {
      run.clear();
      first = sequence;
    }
    run.push_back(&task.work);
    last = sequence;
  }
  if (!run.empty()) requests.push_back(ToRequest(first, run));
  if (!requests.empty()) network_.Send(call_, std::move(requests));
}

Request SessionClient::ToRequest(uint64_t first, const std::vector<const Work*>& run) const {
  engine::Submit submit{.call = call_,
                        .item = first,
                        .id = TaskId{session_, first},
                        .sequenced = true,
                        .spec = run.front()->spec,
                        .wait_if_full_ms = run.front()->wait_if_full_ms};
  if (run.size() == 1) return {engine::Command(std::move(submit)), run.front()->body};
  auto body = std::make_shared<broker::Body>();
  for (const Work* work : run) {
    body->bytes += work->body->bytes;
    submit.payload_sizes.push_back(static_cast<uint32_t>(work->body->bytes.size()));
  }
  submit.spec.payload_bytes = body->bytes.size();
  return {engine::Command(std::move(submit)), std::move(body)};
}

void SessionClient::Await() {
  std::vector<Request> requests;
  for (const auto& [sequence, task] : tasks_) {
    if (task.state == State::kAccepted)
      requests.push_back({broker::AwaitTask{call_, task.id}, nullptr});
  }
  if (!requests.empty()) network_.Send(call_, std::move(requests));
}

void SessionClient::Acknowledge() {
  uint64_t below = next_sequence_;
  for (const auto& [sequence, task] : tasks_) {
    if (task.state == State::kUnsent || task.state == State::kSent) {
      below = sequence;
      break;
    }
  }
  acknowledged_below_ = std::max(acknowledged_below_, below);
  network_.Send(call_, engine::AcknowledgeSession{call_, below});
}

void SessionClient::Forget() {
  call_ = {};
  opened_ = false;
  session_ = 0;
  next_sequence_ = 1;
  acknowledged_below_ = 0;
  tasks_.clear();
}

void SessionClient::Lost(CallId call) {
  if (call == call_) call_ = {};
}

}  // namespace treadle::sim
