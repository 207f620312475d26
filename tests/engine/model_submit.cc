#include <algorithm>
#include <functional>

#include "tests/engine/model.h"
#include "tests/engine/single_tasks.h"

namespace treadle::engine {

void Model::Refuse(const Submit& submit, absl::StatusCode code) {
  Say(Submitted{submit.call, submit.item, submit.id, absl::Status(code, "model")});
}

bool Model::Fits(const std::string& queue, uint64_t bytes) const {
  const QueueConfig& config = queues_.at(queue).config;
  int64_t waiting = 0;
  for (const auto& [id, task] : tasks_) {
    if (task.spec.queue != queue || task.state == TaskState::kRunning) continue;
    ++waiting;
    bytes += task.spec.payload_bytes;
  }
  return waiting < config.max_tasks && bytes <= static_cast<uint64_t>(config.max_bytes);
}

int64_t Model::WaitersOf(const std::string& queue) const {
  int64_t count = 0;
  for (const auto& group : queues_.at(queue).line) count += static_cast<int64_t>(group.size());
  return count;
}

void Model::Apply(const Submit& submit) {
  for (const Submit& one : SingleTasks(submit)) ApplyOne(one);
}

void Model::ApplyOne(const Submit& submit) {
  const TaskSpec& spec = submit.spec;
  if (submit.sequenced && AnswerRepeat(submit)) return;
  if (!spec.request_key.empty() && AnswerKey(submit)) return;
  if (!submit.refusal.ok()) return Refuse(submit, submit.refusal.code());
  if (const absl::StatusCode code = RefusalOf(spec); code != absl::StatusCode::kOk) {
    return Refuse(submit, code);
  }
  ModelQueue& queue = queues_[spec.queue];
  if (queue.line.empty() && Fits(spec.queue, spec.payload_bytes)) return Accept(submit, false);
  if (submit.wait_if_full_ms == 0 || WaitersOf(spec.queue) >= options_.waiting_submitters_max) {
    return Refuse(submit, absl::StatusCode::kResourceExhausted);
  }
  queue.line.push_back({ModelWaiter{submit, now_ms_ + submit.wait_if_full_ms}});
}

absl::StatusCode Model::RefusalOf(const TaskSpec& spec) {
  const bool exists = queues_.contains(spec.queue);
  if (!exists && !options_.auto_create_queues) return absl::StatusCode::kNotFound;
  if (exists && queues_[spec.queue].closed) return absl::StatusCode::kFailedPrecondition;
  QueueConfig config{spec.queue, Discipline::kFifo, options_.queue_max_tasks,
                     options_.queue_max_bytes, options_.dead_letters};
  if (exists) config = queues_[spec.queue].config;
  if ((spec.priority != 0 && config.discipline != Discipline::kPriority) ||
      spec.payload_bytes > static_cast<uint64_t>(config.max_bytes)) {
    return absl::StatusCode::kInvalidArgument;
  }
  if ((!exists && static_cast<int64_t>(queues_.size()) >= options_.queues_max) ||
      static_cast<int64_t>(tasks_.size()) >= options_.unfinished_tasks_max) {
    return absl::StatusCode::kResourceExhausted;
  }
  if (!exists) queues_[spec.queue].config = config;
  return absl::StatusCode::kOk;
}

void Model::Found(int64_t now_ms, const TakeLetters& take, const LettersFound& found) {
  now_ms_ = now_ms;
  LettersTaken& answer = taken_[found.reading];
  answer.call = take.call;
  auto letter = found.letters.begin();
  uint64_t sequence = found.first_id.sequence;
  for (size_t i = 0; i < found.looked_at; ++i) {
    const TaskId task = take.tasks[answer.letters.size()];
    LettersTaken::Taken& taken = answer.letters.emplace_back();
    if (letter == found.letters.end() || letter->row.id != task) {
      taken.status = absl::NotFoundError("model");
      continue;
    }
    const TaskId new_id{found.first_id.session, sequence++};
    taken.status = TakeOne(take, *letter++, new_id);
    if (taken.status.ok() && take.redrive) taken.redriven_as = new_id;
  }
  if (answer.letters.size() == take.tasks.size()) {
    Say(answer);
    taken_.erase(found.reading);
  }
  Serve(/*late=*/false);
}

absl::Status Model::TakeOne(const TakeLetters& take, const LettersFound::Letter& letter,
                            TaskId new_id) {
  const auto queue = queues_.find(*letter.row.queue);
  if (queue == queues_.end()) return absl::NotFoundError("model");
  std::vector<ModelLetter>& letters = queue->second.letters;
  const auto known = std::find_if(letters.begin(), letters.end(),
                                  [&](const ModelLetter& one) { return one.id == letter.row.id; });
  if (known == letters.end()) return absl::NotFoundError("model");
  const auto index = known - letters.begin();
  if (take.redrive) {
    Submit submit;
    submit.id = new_id;
    submit.spec = letter.task->spec;
    TaskSpec& spec = submit.spec;
    if (!take.redrive->queue.empty()) spec.queue = take.redrive->queue;
    if (take.redrive->max_attempts > 0) spec.max_attempts = take.redrive->max_attempts;
    spec.run_at_ms = spec.delay_ms = 0;
    if (spec.deadline_at_ms - wall_set_by_ms_ <= now_ms_) spec.deadline_at_ms = 0;
    spec.request_key.clear();
    const absl::StatusCode code = RefusalOf(spec);
    if (code != absl::StatusCode::kOk) return absl::Status(code, "model");
    if (!queues_[spec.queue].line.empty() || !Fits(spec.queue, spec.payload_bytes)) {
      return absl::ResourceExhaustedError("model");
    }
    Accept(submit, /*late=*/false);
  }
  letters.erase(letters.begin() + index);
  return absl::OkStatus();
}

bool Model::AnswerRepeat(const Submit& submit) {
  ModelSession* const session = SessionOf(submit.call);
  const uint64_t sequence = submit.id.sequence;
  const auto own = sessions_.find(submit.id.session);
  if (session == nullptr || own == sessions_.end() || session != &own->second) {
    Refuse(submit, absl::StatusCode::kFailedPrecondition);
    return true;
  }
  for (auto& [name, queue] : queues_) {
    for (auto& group : queue.line) {
      for (ModelWaiter& waiter : group) {
        if (waiter.submit.id != submit.id) continue;
        waiter.submit.call = submit.call;
        waiter.submit.item = submit.item;
        waiter.until_ms = now_ms_ + submit.wait_if_full_ms;
        return true;
      }
    }
  }
  const uint64_t newest =
      session->accepted.empty() ? session->floor - 1 : *session->accepted.rbegin();
  if (sequence < session->floor) {
    Refuse(submit, absl::StatusCode::kInvalidArgument);
    return true;
  }
  if (session->accepted.contains(sequence)) {
    Say(Submitted{submit.call, submit.item, submit.id});
    return true;
  }
  if (sequence > newest + static_cast<uint64_t>(options_.session_gap_max)) {
    Refuse(submit, absl::StatusCode::kInvalidArgument);
    return true;
  }
  return false;
}

bool Model::AnswerKey(const Submit& submit) {
  const TaskSpec& spec = submit.spec;
  const auto known = keys_.find({spec.queue, spec.request_key});
  if (known != keys_.end()) {
    const ModelKey& key = known->second;
    if (tasks_.contains(key.task) || key.finished_this_turn || key.expires_at_ms > now_ms_) {
      if (key.digest != spec.digest) {
        Refuse(submit, absl::StatusCode::kAlreadyExists);
      } else {
        Say(Submitted{submit.call, submit.item, key.task, absl::OkStatus(), true});
      }
      return true;
    }
  }
  if (!queues_.contains(spec.queue)) return false;
  for (auto& group : queues_[spec.queue].line) {
    const Submit& first = group.front().submit;
    if (first.spec.request_key != spec.request_key) continue;
    if (first.spec.digest != spec.digest) {
      Refuse(submit, absl::StatusCode::kAlreadyExists);
    } else if (submit.wait_if_full_ms == 0 ||
               WaitersOf(spec.queue) >= options_.waiting_submitters_max) {
      Refuse(submit, absl::StatusCode::kResourceExhausted);
    } else {
      group.push_back(ModelWaiter{submit, now_ms_ + submit.wait_if_full_ms});
    }
    return true;
  }
  return false;
}

void Model::Accept(const Submit& submit, bool late) {
  ModelTask task;
  task.id = submit.id;
  task.spec = submit.spec;
  task.order = next_order_++;
  task.submitted_at_ms = now_ms_;
  task.late = late;
  TaskSpec& spec = task.spec;
  task.run_at_is_date = spec.run_at_ms != 0;
  task.run_at_ms = spec.run_at_ms;
  if (!task.run_at_is_date && spec.delay_ms > 0) task.run_at_ms = now_ms_ + spec.delay_ms;
  if (submit.sequenced) {
    ModelSession& session = sessions_.at(submit.id.session);
    session.had_task = true;
    if (submit.id.sequence >= session.floor) session.accepted.insert(submit.id.sequence);
  }
  if (!spec.request_key.empty()) {
    keys_[{spec.queue, spec.request_key}] =
        ModelKey{task.id, spec.digest, now_ms_ + options_.request_key_window_ms, false};
  }
  Enter(tasks_[task.id] = task);
  if (submit.call == CallId{}) return;
  Submitted answer{submit.call, submit.item, submit.id};
  answer.no_worker = !late && !Served(spec.queue, spec.type);
  Say(answer);
}

void Model::Serve(bool late) {
  for (auto& [name, queue] : queues_) {
    while (!queue.line.empty()) {
      const Submit& first = queue.line.front().front().submit;
      if (!Fits(name, first.spec.payload_bytes)) break;
      if (static_cast<int64_t>(tasks_.size()) >= options_.unfinished_tasks_max) {
        const TaskId id = first.id;
        DropWaiters(absl::StatusCode::kResourceExhausted,
                    [&](const ModelWaiter& waiter) { return waiter.submit.id == id; });
        continue;
      }
      const std::vector<ModelWaiter> group = queue.line.front();
      queue.line.erase(queue.line.begin());
      Accept(group.front().submit, late);
      for (size_t i = 1; i < group.size(); ++i) {
        const Submit& submit = group[i].submit;
        Say(Submitted{submit.call, submit.item, group.front().submit.id, absl::OkStatus(), true});
      }
    }
  }
}

void Model::DropWaiters(absl::StatusCode code,
                        const std::function<bool(const ModelWaiter&)>& which) {
  for (auto& [name, queue] : queues_) {
    for (auto& group : queue.line) {
      for (const ModelWaiter& waiter : group) {
        if (which(waiter)) Refuse(waiter.submit, code);
      }
      std::erase_if(group, which);
    }
    std::erase_if(queue.line, [](const auto& group) { return group.empty(); });
  }
}

}  // namespace treadle::engine
