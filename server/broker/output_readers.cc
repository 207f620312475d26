#include "server/broker/output_readers.h"

#include <utility>

namespace treadle::broker {

void OutputReaders::Add(AwaitOutput wait) {
  calls_[wait.ask.call] = wait.task;
  tasks_[wait.task].push_back(std::move(wait));
}

void OutputReaders::Wake(TaskId task, uint64_t next, std::vector<AskQuery>& questions) {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return;
  std::erase_if(found->second, [&](AwaitOutput& wait) {
    if (wait.offset >= next) return false;
    calls_.erase(wait.ask.call);
    questions.push_back(std::move(wait.ask));
    return true;
  });
  if (found->second.empty()) tasks_.erase(found);
}

void OutputReaders::CallClosed(engine::CallId call) {
  const auto known = calls_.find(call);
  if (known == calls_.end()) return;
  const auto found = tasks_.find(known->second);
  std::erase_if(found->second, [call](const AwaitOutput& wait) { return wait.ask.call == call; });
  if (found->second.empty()) tasks_.erase(found);
  calls_.erase(known);
}

}  // namespace treadle::broker
