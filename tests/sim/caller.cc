#include "tests/sim/caller.h"

#include <iterator>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/broker/stored_tasks.h"
namespace treadle::sim {

using broker::Delivery;
using broker::Request;
using engine::CallId;

Caller::Caller(Timeline& timeline, Random& random, Trace& trace, Network& network, Oracle& oracle,
               Server& server)
    : timeline_(timeline),
      random_(random),
      trace_(trace),
      network_(network),
      oracle_(oracle),
      server_(server) {}

void Caller::Act(bool calm) {
  if (calm) {
    if (!retries_.empty()) {
      SubmitAgain();
    } else if (!accepted_.empty()) {
      Ask(accepted_.front());
      accepted_.pop_front();
    }
    return;
  }
  const uint64_t choice = random_.Below(100);
  if (choice < 35) {
    if (!retries_.empty() && random_.OneIn(2)) return SubmitAgain();
    std::vector<Work> works(random_.OneIn(3) ? random_.Between(2, 5) : 1);
    for (Work& work : works) work = RandomWork(random_, timeline_.NowMs(), 12);
    Submit(std::move(works));
  } else if (choice < 50) {
    if (accepted_.empty()) return;
    Ask(accepted_.front());
    accepted_.pop_front();
  } else if (choice < 55) {
    const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
    network_.Send(call, engine::Cancel{call, 0, SomeTask()});
    calls_[call];
  } else if (choice < 65) {
    if (!server_.up()) return;
    Request query;
    query.action = broker::AskQuery{
        {}, [this, task = SomeTask()](const broker::View&) {
          return broker::Look([this, task](broker::StoredTasks& stored) {
            auto finished = stored.Finished(task);
            oracle_.Asked(task, server_.broker().engine().IsUnfinished(task), finished.ok());
            return broker::Answer([this, task, finished = std::move(finished)] {
              if (finished.ok()) oracle_.Answered(task, *finished);
            });
          });
        }};
    (void)server_.broker().Post(broker::Lane::kQuestions, std::move(query));
  } else if (choice < 75) {
    Operate();
  } else if (choice < 80 && !calls_.empty()) {  // gives a call up
    const auto call = std::next(calls_.begin(), static_cast<int64_t>(random_.Below(calls_.size())));
    if (random_.OneIn(2)) {
      network_.Close(call->first);
      calls_.erase(call);
    } else {
      network_.Break(call->first);
    }
  }
}

void Caller::Leave() {
  for (const auto& [call, state] : calls_) network_.Close(call);
  calls_.clear();
}

std::string Caller::Left() const {
  if (calls_.empty() && retries_.empty() && accepted_.empty()) return "";
  std::string left =
      absl::StrCat(retries_.size(), " submits, ", accepted_.size(), " waits, calls:");
  for (const auto& [call, state] : calls_) {
    absl::StrAppend(&left, " ", static_cast<uint64_t>(call), " ", state.task.ToString());
  }
  left += "; ";
  return left;
}

void Caller::SubmitAgain() {
  std::vector<Work> works;
  works.push_back(std::move(retries_.front()));
  retries_.pop_front();
  Submit(std::move(works));
}

void Caller::Submit(std::vector<Work> works) {
  if (!server_.up()) {
    std::move(works.begin(), works.end(), std::back_inserter(retries_));
    return;
  }
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  std::vector<Request> requests;
  for (Work& work : works) {
    std::map<uint64_t, Work>& submits = calls_[call].submits;
    const uint64_t item = submits.size();
    requests.push_back({engine::Command(engine::Submit{.call = call,
                                                       .item = item,
                                                       .id = server_.broker().NewTaskIds(1),
                                                       .spec = work.spec,
                                                       .wait_if_full_ms = work.wait_if_full_ms}),
                        work.body});
    submits[item] = std::move(work);
  }
  network_.Send(call, std::move(requests));
}

void Caller::Ask(TaskId task) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kQuestions);
  std::vector<Request> requests;
  if (random_.OneIn(2)) {
    requests.push_back({broker::AwaitTask{call, task}, nullptr});
  } else {
    requests.push_back({broker::WatchTask{call, task}, nullptr});
  }
  network_.Send(call, std::move(requests));
  calls_[call].task = task;
}

TaskId Caller::SomeTask() {
  const auto& tasks = oracle_.ledger().tasks;
  if (tasks.empty()) return TaskId{1, 1};
  return std::next(tasks.begin(), static_cast<int64_t>(random_.Below(tasks.size())))->first;
}

engine::CircuitBreaker Caller::SomeBreaker() {
  engine::CircuitBreaker breaker;
  if (random_.OneIn(6)) return breaker;  // none
  breaker.failure_percent = static_cast<int32_t>(random_.Between(10, 90));
  breaker.min_attempts = static_cast<int32_t>(random_.Between(1, 4));
  breaker.window_ms = random_.Between(1'000, 20'000);
  if (random_.OneIn(2)) breaker.resume_after_ms = random_.Between(1, 5'000);
  return breaker;
}

int64_t Caller::SomeUnservedBound() { return random_.Percent(60) ? 0 : random_.Between(50, 2'000); }

void Caller::CreateQueue(const std::string& name) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  engine::QueueConfig config{name, engine::Discipline::kFifo, 1'000, 1 << 20};
  if (name == "lifo") config.discipline = engine::Discipline::kLifo;
  if (name == "priority") config.discipline = engine::Discipline::kPriority;
  if (name == "tiny") config.max_tasks = 3;
  if (name == "tiny" && random_.OneIn(2)) config.max_bytes = 1'500;
  if (random_.Percent(70)) config.breaker = SomeBreaker();
  config.fail_unserved_after_ms = SomeUnservedBound();
  network_.Send(call, engine::CreateQueue{call, config});
  calls_[call];
}

void Caller::Resume(const std::string& queue) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  network_.Send(call, engine::PauseQueue{call, queue, /*paused=*/false});
  calls_[call];
}

void Caller::Reopen(const std::string& queue) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  network_.Send(call, engine::UpdateQueue{call, queue, std::nullopt, std::nullopt, false});
  calls_[call];
}

void Caller::CancelJob(uint64_t job) {
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  network_.Send(call, engine::CancelJob{call, job});
  calls_[call];
}

engine::JobSpec Caller::SomeJob(const std::string& queue) {
  engine::JobSpec job;
  job.action = random_.Pick(
      std::vector{engine::JobAction::kRedriveLetters, engine::JobAction::kRedriveLetters,
                  engine::JobAction::kDeleteLetters, engine::JobAction::kCancelTasks});
  job.queue = queue;
  if (random_.OneIn(3)) job.filter = absl::StrCat("-type:", random_.Pick(kTypes));
  // All have no such header, but the store has to be asked.
  if (random_.OneIn(4)) absl::StrAppend(&job.filter, " -header.none:*");
  if (random_.OneIn(4)) job.to.queue = random_.Pick(kQueues);
  job.to.max_attempts = static_cast<int32_t>(random_.Below(3));
  job.dry_run = random_.OneIn(6);
  if (random_.OneIn(2)) job.tasks_per_second = static_cast<int32_t>(random_.Between(1, 20));
  return job;
}

// Of dead letters that somebody names, or of one that is none.
void Caller::TakeLetters(CallId call) {
  engine::TakeLetters take{.call = call};
  for (const auto& [place, letter] : oracle_.ledger().letters) {
    if (random_.OneIn(3)) take.tasks.push_back(letter.row.id);
  }
  if (take.tasks.empty()) take.tasks.push_back(SomeTask());
  if (random_.Percent(70)) take.redrive = engine::RedriveTo{};
  network_.Send(call, std::move(take));
}

void Caller::Operate() {
  const std::string& name = random_.Pick(kQueues);
  const CallId call = network_.OpenUnary(*this, broker::Lane::kClients);
  calls_[call];
  if (random_.OneIn(3)) {
    const auto& jobs = oracle_.ledger().jobs;
    const auto& letters = oracle_.ledger().letters;
    if (random_.OneIn(3)) return TakeLetters(call);
    if (!jobs.empty() && random_.OneIn(5)) {
      return network_.Send(call, engine::CancelJob{call, jobs.rbegin()->first});
    }
    const bool any = letters.empty() || random_.OneIn(4);
    const std::string& queue = any ? name : letters.begin()->first.first;
    return network_.Send(call, engine::StartJob{call, SomeJob(queue)});
  }
  const uint64_t choice = random_.Below(10);
  if (choice < 5) {
    CreateQueue(name);
    network_.Close(call);
    calls_.erase(call);
  } else if (choice < 7) {
    network_.Send(call, engine::PauseQueue{call, name, random_.Percent(30), "a test",
                                           random_.OneIn(2) ? random_.Between(0, 3'000) : 0});
  } else if (choice < 8) {
    engine::UpdateQueue update{call, name, std::nullopt, std::nullopt};
    if (random_.OneIn(3)) {
      update.max_bytes = random_.Between(50, 5'000);
    } else {
      update.max_tasks = random_.Between(1, 20);
    }
    update.closed = random_.Percent(30);
    if (random_.OneIn(2)) update.breaker = SomeBreaker();
    if (random_.OneIn(2)) update.fail_unserved_after_ms = SomeUnservedBound();
    network_.Send(call, std::move(update));
  } else if (choice < 9) {
    network_.Send(call, engine::DeleteQueue{call, name});
  } else {
    network_.Send(call, engine::PurgeQueue{call, name});
  }
}

void Caller::Receive(CallId call, Delivery& delivery) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  if (std::holds_alternative<broker::TaskSeen>(delivery)) return;  // a watch goes on
  if (const auto* answer = std::get_if<engine::Submitted>(&delivery)) {
    auto& submits = found->second.submits;
    auto submit = submits.extract(answer->item);
    if (answer->status.ok()) {
      accepted_.push_back(answer->id);
    } else if (random_.OneIn(2)) {
      retries_.push_back(std::move(submit.mapped()));
    }
    if (!submits.empty()) return;
  }
  calls_.erase(found);
  network_.Close(call);
}

void Caller::Lost(CallId call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  Call& lost = found->second;
  if (lost.task != TaskId{}) accepted_.push_back(lost.task);
  for (auto& [item, work] : lost.submits) {
    if (!work.spec.request_key.empty()) retries_.push_back(std::move(work));
  }
  calls_.erase(found);
}

}  // namespace treadle::sim
