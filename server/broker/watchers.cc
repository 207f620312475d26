#include "server/broker/watchers.h"

#include <algorithm>
#include <utility>

namespace treadle::broker {

void Watchers::SessionOpened(engine::CallId call, uint64_t session) {
  Call& state = calls_[call];
  state.session = session;
  if (state.all) {
    sessions_[session] = call;
  } else {
    sessions_.erase(session);  // of the older stream that this one replaces
  }
}

void Watchers::DeliverAll(engine::CallId call, bool all) {
  Call& state = calls_[call];
  state.all = all;
  if (state.session == 0) return;
  if (all) {
    sessions_[state.session] = call;
  } else if (const auto found = sessions_.find(state.session);
             found != sessions_.end() && found->second == call) {
    sessions_.erase(found);
  }
}

bool Watchers::Add(engine::CallId call, TaskId task, bool watch) {
  std::vector<Watcher>& watchers = tasks_[task];
  if (!calls_[call].tasks.insert(task).second) {
    const auto found = std::find_if(watchers.begin(), watchers.end(),
                                    [&](const Watcher& watcher) { return watcher.call == call; });
    found->watch = found->watch || watch;
    return false;
  }
  watchers.push_back(Watcher{call, watch});
  ++size_;
  return true;
}

engine::CallId Watchers::StreamOf(uint64_t session) const {
  const auto stream = sessions_.find(session);
  return stream == sessions_.end() ? engine::CallId{} : stream->second;
}

void Watchers::Finished(TaskId task, std::vector<engine::CallId>& calls) {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return;
  for (const Watcher& watcher : found->second) {
    calls.push_back(watcher.call);
    calls_[watcher.call].tasks.erase(task);
    --size_;
  }
  tasks_.erase(found);
}

bool Watchers::Remove(engine::CallId call, TaskId task) {
  const auto found = calls_.find(call);
  if (found == calls_.end() || found->second.tasks.erase(task) == 0) return false;
  const auto watchers = tasks_.find(task);
  std::erase_if(watchers->second, [&](const Watcher& watcher) { return watcher.call == call; });
  if (watchers->second.empty()) tasks_.erase(watchers);
  --size_;
  return true;
}

bool Watchers::Has(engine::CallId call, TaskId task) const {
  const auto found = calls_.find(call);
  return found != calls_.end() && found->second.tasks.contains(task);
}

bool Watchers::IsWatching(engine::CallId call, TaskId task) const {
  const auto found = tasks_.find(task);
  return found != tasks_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&](const Watcher& watcher) { return watcher.call == call && watcher.watch; });
}

void Watchers::Watching(TaskId task, std::vector<engine::CallId>& calls) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return;
  for (const Watcher& watcher : found->second) {
    if (watcher.watch) calls.push_back(watcher.call);
  }
}

bool Watchers::AnyWatching(TaskId task) const {
  const auto found = tasks_.find(task);
  return found != tasks_.end() && std::any_of(found->second.begin(), found->second.end(),
                                              [](const Watcher& watcher) { return watcher.watch; });
}

void Watchers::CallClosed(engine::CallId call, std::vector<TaskId>& unwatched) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  const Call state = std::move(found->second);
  std::vector<TaskId> tasks(state.tasks.begin(), state.tasks.end());
  std::sort(tasks.begin(), tasks.end());  // what follows from it must not depend on hashing
  found->second.tasks = absl::flat_hash_set<TaskId>(tasks.begin(), tasks.end());
  for (const TaskId task : tasks) {
    const bool watched = AnyWatching(task);
    Remove(call, task);
    if (watched && !AnyWatching(task)) unwatched.push_back(task);
  }
  calls_.erase(call);
  if (const auto stream = sessions_.find(state.session);
      stream != sessions_.end() && stream->second == call) {
    sessions_.erase(stream);
  }
}

}  // namespace treadle::broker
