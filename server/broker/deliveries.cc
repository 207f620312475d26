#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"
#include "server/broker/outcome.h"

// What a turn wants said, once its rows are in the store.

namespace treadle::broker {

using engine::Durability;

namespace {

constexpr size_t kSweptAtOnce = 1'000;

std::string TextOf(const engine::QuarantineNews& news) {
  const engine::Quarantine& quarantine = news.quarantine;
  const std::string worker = absl::StrCat("worker '", *news.worker, "' (", news.worker_id, ")");
  if (news.needed) {
    return absl::StrCat(worker,
                        " is released from quarantine: nobody else runs some of the tasks that are "
                        "there");
  }
  return absl::StrCat(worker, " is in quarantine, and gets no more tasks: ", quarantine.failed,
                      " of its attempts failed one after the other, while ",
                      quarantine.others_succeeded, " of others succeeded; the last, of type '",
                      quarantine.type, "' in queue '", quarantine.queue, "', with ",
                      absl::Utf8SafeCEscape(quarantine.error.type), ": ",
                      absl::Utf8SafeCEscape(quarantine.error.message),
                      "; when that is mended: treadle worker release ", news.worker_id);
}

}  // namespace

void Broker::Impl::Deliver() {
  std::vector<engine::Output>& outputs = turn_.effects.outputs;
  for (size_t i = 0; i < outputs.size() && failure_.ok(); ++i) {
    std::visit([&](auto& event) { Say(outputs[i].after, event); }, outputs[i].event);
  }
}

// After the turn's rows are in the store, where an outcome can be found then.
void Broker::Impl::AnswerQuestions() {
  const int64_t begun_ms = clock_.NowMs();
  for (int64_t left = options_.turn_reads_max; left > 0; --left) {
    auto next = questions_.Next();
    if (!next.has_value()) return;
    Ask(next->second);
    questions_.Done(next->first, 0);
    if (clock_.NowMs() - begun_ms >= options_.turn_read_ms_max) return;
  }
}

void Broker::Impl::Ask(Question& question) {
  if (const auto* await = std::get_if<AwaitTask>(&question)) {
    AskForOutcome(await->call, await->task);
  } else if (const auto* watch = std::get_if<WatchTask>(&question)) {
    Show(watch->call, watch->task);
    AskForOutcome(watch->call, watch->task);
  } else if (auto* done = std::get_if<engine::CancelDone>(&question)) {
    store_reads_.Ask(done->call, [this, event = *done](StoredTasks& stored) mutable -> Reads::Then {
      event.status = stored.Finished(event.task).status();
      return [this, event = std::move(event)]() mutable {
        gate_.Say(Durability::kSynced, std::move(event));
      };
    });
  } else {
    Answer(std::get<AskQuery>(question));
  }
}

// The broker's own session is used at once, so nothing leaves before its number is safe.
void Broker::Impl::Say(Durability after, engine::SessionOpened& event) {
  if (event.call == kOwnCall) {
    TREADLE_ASSERT(event.status.ok());
    own_session_.store(event.session, std::memory_order_relaxed);
    gate_.HoldAll();
    return;
  }
  if (event.status.ok() && !turn_.closed.contains(event.call)) {
    watchers_.SessionOpened(event.call, event.session);
  }
  gate_.Say(after, std::move(event));
}

void Broker::Impl::Say(Durability after, engine::CancelDone& event) {
  if (absl::IsNotFound(event.status)) {
    questions_.Add(event.call, std::move(event));
  } else {
    gate_.Say(after, std::move(event));
  }
}

void Broker::Impl::Say(Durability after, engine::Dispatched& event) {
  Leased leased{.call = event.call, .now_ms = now_ms_, .waited_ms = event.waited_ms};
  leased.runs.reserve(event.leases.size());
  bool complete = true;
  for (engine::Lease& lease : event.leases) {
    progress_.Drop({lease.task, lease.tasks});
    BodyPart payload = PayloadOf(lease);
    complete = complete && payload.body != nullptr;
    leased.runs.push_back(LeasedRun{std::move(lease), std::move(payload)});
  }
  Trace(leased);
  if (complete) {
    SayBehindLeases(event.call, after, std::move(leased));
  } else {
    late_.Put(after, std::move(leased), turn_.missing);
  }
}

void Broker::Impl::Trace(const Leased& leased) {
  for (const LeasedRun& run : leased.runs) {
    traces_.Leased(run, UnixMs(), [this](TaskId task) { return engine_.IsUnfinished(task); });
  }
}

// Its body is null: it is not in memory.
BodyPart Broker::Impl::PayloadOf(const engine::Lease& lease) {
  BodyPart row = cache_.Take(lease.row, lease.tasks);
  if (row.body != nullptr) return broker::PayloadOf(lease, std::move(row));
  bool read_on = false;
  row = ahead_.Take(lease.row, lease.tasks, read_on);
  if (read_on || row.body == nullptr) {
    std::pair line(lease.queue, lease.type);
    if (turn_.read_on.empty() || turn_.read_on.back() != line) {
      turn_.read_on.push_back(std::move(line));
    }
  }
  return row.body == nullptr ? row : broker::PayloadOf(lease, std::move(row));
}

// What is said to a call comes after the leases whose payloads it waits for.
void Broker::Impl::SayBehindLeases(engine::CallId call, Durability after, Delivery delivery) {
  if (!late_.PutBehind(call, after, delivery)) gate_.Say(after, std::move(delivery));
}

// A stop must not overtake the lease that it is about, which may still wait for the disk, nor a
// call's end what was said on it.
void Broker::Impl::Say(Durability, engine::StopAttempt& event) {
  SayBehindLeases(event.call, Durability::kSynced, std::move(event));
}
void Broker::Impl::Say(Durability, engine::EndCall& event) {
  SayBehindLeases(event.call, Durability::kSynced, std::move(event));
}

void Broker::Impl::Say(Durability after, engine::TaskFinished& event) {
  const engine::FinishedRow& row = *event.row;
  progress_.Drop({row.id, row.tasks});
  traces_.Finished(row);
  // One that succeeded was dispatched, so its payload has left the cache.
  if (row.state != engine::TaskState::kSucceeded && !row.task_row_stays) {
    cache_.Drop(row.id);
    ahead_.Drop(row.id);
  }
  const engine::CallId stream = watchers_.StreamOf(row.id.session);
  if (stream != engine::CallId{}) gate_.Say(after, OutcomeReady{stream, event.row});
  if (watchers_.size() == 0) return;
  for (uint32_t i = 0; i < row.tasks; ++i) {
    calls_.clear();
    watchers_.Finished({row.id.session, row.id.sequence + i}, calls_);
    std::erase(calls_, stream);
    if (calls_.empty()) continue;
    const auto outcome =
        row.tasks == 1 ? event.row : std::make_shared<const engine::FinishedRow>(OneOf(row, i));
    for (const engine::CallId call : calls_) gate_.Say(after, OutcomeReady{call, outcome});
  }
}

// What is in memory of the run's payloads is all of them: what is left is read when it is needed.
void Broker::Impl::Say(Durability, engine::CompactionDue& event) {
  store_reads_.Work([this, run = event.run](StoredTasks& stored) -> Reads::Then {
    return [this, run, row = stored.Unfinished(run)]() mutable {
      cache_.Drop(run);
      ahead_.Drop(run);
      Step(engine::CompactRun{std::move(row)});
    };
  });
}

void Broker::Impl::Say(Durability, engine::LetterMovesDue& event) {
  store_reads_.Work([this, moves = std::move(event.moves)](StoredTasks& stored) -> Reads::Then {
    return [this, rows = stored.TasksToMove(moves)]() mutable {
      Step(engine::MoveDeadTasks{std::move(rows)});
    };
  });
}

template <typename Letters>
void Broker::Impl::Found(Letters found) {
  if (!found.letters.empty()) {
    found.first_id = NewTaskIds(static_cast<uint32_t>(found.letters.size()));
  }
  Step(std::move(found));
}

void Broker::Impl::Say(Durability, engine::LettersWanted& event) {
  store_reads_.Work([this, wanted = std::move(event)](StoredTasks& stored) -> Reads::Then {
    return [this, found = stored.ReadLetters(wanted)]() mutable { Found(std::move(found)); };
  });
}

void Broker::Impl::Say(Durability, engine::JobLettersWanted& event) {
  store_reads_.Work([this, wanted = std::move(event)](StoredTasks& stored) -> Reads::Then {
    absl::StatusOr<engine::JobLettersFound> found = stored.ReadLetters(wanted);
    if (!found.ok()) return [] {};  // as with a sweep
    return [this, found = *std::move(found)]() mutable { Found(std::move(found)); };
  });
}

void Broker::Impl::Say(Durability, engine::JobTasksWanted& event) {
  store_reads_.Work([this, wanted = std::move(event)](StoredTasks& stored) -> Reads::Then {
    return [this, found = stored.ReadHeaders(wanted)]() mutable { Step(std::move(found)); };
  });
}

void Broker::Impl::Say(Durability, engine::SweepDue& event) {
  store_reads_.Work([this, due = std::move(event)](StoredTasks& stored) -> Reads::Then {
    absl::StatusOr<DeadLetterPage> page =
        stored.ListDeadLetters({.queue = due.queue, .from = due.from, .limit = kSweptAtOnce});
    // That the store has failed is told by `stored`.
    if (!page.ok()) return [] {};
    return [this, due, page = *std::move(page)]() mutable {
      Step(engine::SweepDeadLetters{due.queue, due.reading, std::move(page.rows),
                                    /*end=*/!page.next.has_value()});
    };
  });
}

void Broker::Impl::Say(Durability, engine::QuarantineNews& event) {
  if (options_.on_news) options_.on_news(TextOf(event));
}

void Broker::Impl::Say(Durability, engine::TaskChanged& event) {
  if (!turn_.changed.insert(event.task).second) return;
  calls_.clear();
  watchers_.Watching(event.task, calls_);
  for (const engine::CallId call : calls_) Show(call, event.task);
}

// The view is of the turn's end, whatever the change was: so it waits for all of the turn.
void Broker::Impl::Show(engine::CallId call, TaskId task) {
  std::optional<engine::TaskView> view = engine_.FindTask(task);
  if (!view.has_value()) return;
  const ProgressState* progress = progress_.Find(task);
  gate_.Say(Durability::kSynced,
            TaskSeen{call, std::make_shared<const engine::TaskView>(*std::move(view)),
                     progress == nullptr ? ProgressState{} : *progress});
}

void Broker::Impl::AskForOutcome(engine::CallId call, TaskId task) {
  if (!watchers_.Has(call, task) || engine_.IsUnfinished(task)) return;
  store_reads_.Ask(call, [this, call, task](StoredTasks& stored) -> Reads::Then {
    return [this, call, task, finished = stored.Finished(task)]() mutable {
      TellOutcome(call, task, std::move(finished));
    };
  });
}

// That a task is unknown waits for the disk, so that it does not overtake the outcome of one that
// has ended and is not kept; the call's wish stays until then: see Release.
void Broker::Impl::TellOutcome(engine::CallId call, TaskId task,
                               absl::StatusOr<OutcomeReady> finished) {
  if (!watchers_.Has(call, task)) return;  // it was told meanwhile
  if (finished.ok()) {
    watchers_.Remove(call, task);
    finished->call = call;
    gate_.Say(Durability::kSynced, *std::move(finished));
  } else if (!engine_.IsUnfinished(task) || watchers_.IsWatching(call, task)) {
    ++unknowns_said_;
    gate_.Say(Durability::kSynced, TaskUnknown{call, task});
  }
}

void Broker::Impl::Release(std::vector<Delivery> deliveries) {
  if (unknowns_said_ > 0) {
    std::erase_if(deliveries, [this](const Delivery& delivery) {
      const auto* unknown = std::get_if<TaskUnknown>(&delivery);
      if (unknown == nullptr) return false;
      --unknowns_said_;
      return !IsStillUnknown(*unknown);
    });
  }
  if (!deliveries.empty()) outbox_.Release(std::move(deliveries));
}

// Between the answer and its leave the task may have come, and its acknowledgement, which need not
// wait for the disk, may have left: the client would take a task that it knows to be accepted for
// lost. Who awaits it goes on waiting. (Who watches it is told: it has not seen the task come.)
bool Broker::Impl::IsStillUnknown(const TaskUnknown& unknown) {
  if (!watchers_.Has(unknown.call, unknown.task)) return false;  // it has been told the outcome
  if (engine_.IsUnfinished(unknown.task) && !watchers_.IsWatching(unknown.call, unknown.task)) {
    return false;
  }
  watchers_.Remove(unknown.call, unknown.task);
  return true;
}

// What is in memory can be told at once, also on a disk that hangs: nobody may rest on it but as
// on what he has seen himself. An outcome is told when it is safe.
void Broker::Impl::Answer(AskQuery& ask) {
  const View::Internals internals{progress_, outputs_, *this};
  std::variant<broker::Answer, Look> reply = ask.query(View{engine_, now_ms_, &internals});
  if (auto* answer = std::get_if<broker::Answer>(&reply)) {
    answer->call = ask.call;
    return gate_.Say(Durability::kMemory, std::move(*answer));
  }
  store_reads_.Ask(ask.call,
                   [this, call = ask.call, look = std::move(std::get<Look>(reply))](
                       StoredTasks& stored) mutable -> Reads::Then {
                     const int64_t before = stored.bytes_read();
                     broker::Answer answer = look(stored);
                     answer.call = call;
                     answer.bytes = stored.bytes_read() - before;
                     return [this, answer = std::move(answer)]() mutable {
                       gate_.Say(Durability::kSynced, std::move(answer));
                     };
                   });
}

const ProgressState* View::Progress(TaskId task) const { return internals->progress.Find(task); }
const engine::OutputRow* View::Output(TaskId task) const { return internals->outputs.Find(task); }

}  // namespace treadle::broker
