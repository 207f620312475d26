#include "tests/sim/caller.h"

#include <iterator>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

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
      Submit(std::exchange(retries_.front(), {}));
      retries_.pop_front();
    } else if (!accepted_.empty()) {
      Ask(accepted_.front());
      accepted_.pop_front();
    }
    return;
  }
  const uint64_t choice = random_.Below(100);
  if (choice < 35) {
    if (!retries_.empty() && random_.OneIn(2)) {
      Submit(std::exchange(retries_.front(), {}));
      retries_.pop_front();
    } else {
      Submit(RandomWork(random_, timeline_.NowMs(), 12));
    }
  } else if (choice < 50) {
    if (accepted_.empty()) return;
    Ask(accepted_.front());
    accepted_.pop_front();
  } else if (choice < 55) {
    const CallId call = network_.Open(*this);
    network_.Send(call, engine::Cancel{call, 0, SomeTask()});
    calls_[call];
  } else if (choice < 65) {
    if (!server_.up()) return;
    Request query;
    query.action = broker::Query([this, task = SomeTask()](const broker::View& view) {
      auto finished = view.Finished(task);
      oracle_.Asked(task, view.engine.FindTask(task).has_value(), finished.ok());
      return broker::Answer([this, finished = std::move(finished)] {
        if (finished.ok()) oracle_.Answered(*finished);
      });
    });
    (void)server_.broker().Post(std::move(query));
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

std::string Caller::Left() const {
  if (calls_.empty() && retries_.empty() && accepted_.empty()) return "";
  std::string left =
      absl::StrCat(retries_.size(), " submits, ", accepted_.size(), " waits, calls:");
  for (const auto& [call, state] : calls_) {
    absl::StrAppend(&left, " ", static_cast<uint64_t>(call), " ", state.task.ToString());
  }
  return left;
}

void Caller::Submit(Work work) {
  if (!server_.up()) {
    retries_.push_back(std::move(work));
    return;
  }
  const CallId call = network_.Open(*this);
  network_.Send(call,
                engine::Submit{.call = call,
                               .id = server_.broker().NewTaskId(),
                               .spec = work.spec,
                               .wait_if_full_ms = work.wait_if_full_ms},
                work.body);
  calls_[call] = Call{.submit = true, .work = std::move(work)};
}

void Caller::Ask(TaskId task) {
  const CallId call = network_.Open(*this);
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

void Caller::CreateQueue(const std::string& name) {
  const CallId call = network_.Open(*this);
  engine::QueueConfig config{name, engine::Discipline::kFifo, 1'000, 1 << 20};
  if (name == "lifo") config.discipline = engine::Discipline::kLifo;
  if (name == "priority") config.discipline = engine::Discipline::kPriority;
  if (name == "tiny") config.max_tasks = 3;
  network_.Send(call, engine::CreateQueue{call, config});
  calls_[call];
}

void Caller::Resume(const std::string& queue) {
  const CallId call = network_.Open(*this);
  network_.Send(call, engine::PauseQueue{call, queue, /*paused=*/false});
  calls_[call];
}

void Caller::Operate() {
  const std::string& name = random_.Pick(kQueues);
  const CallId call = network_.Open(*this);
  calls_[call];
  const uint64_t choice = random_.Below(10);
  if (choice < 5) {
    CreateQueue(name);
    network_.Close(call);
    calls_.erase(call);
  } else if (choice < 7) {
    network_.Send(call, engine::PauseQueue{call, name, random_.Percent(30)});
  } else if (choice < 8) {
    network_.Send(call, engine::UpdateQueue{call, name, random_.Between(1, 20), std::nullopt});
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
    if (answer->status.ok()) {
      accepted_.push_back(answer->id);
    } else if (random_.OneIn(2)) {
      retries_.push_back(std::move(found->second.work));
    }
  }
  calls_.erase(found);
  network_.Close(call);
}

void Caller::Lost(CallId call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  Call& lost = found->second;
  if (lost.task != TaskId{}) accepted_.push_back(lost.task);
  if (!lost.work.spec.request_key.empty()) retries_.push_back(std::move(lost.work));
  calls_.erase(found);
}

}  // namespace treadle::sim
