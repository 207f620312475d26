#include <utility>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

// What requests do before their turn is stored.

namespace treadle::broker {

using engine::Durability;

void Broker::Impl::Act(Request& request) {
  if (failure_.ok() && !HoldBack(request)) ActNow(request);
}

void Broker::Impl::ActNow(Request& request) {
  if (auto* command = std::get_if<engine::Command>(&request.action)) {
    Act(std::move(*command), std::move(request.body));
  } else if (auto* await = std::get_if<AwaitTask>(&request.action)) {
    Await(await->call, await->task, /*watch=*/false);
  } else if (auto* watch = std::get_if<WatchTask>(&request.action)) {
    Await(watch->call, watch->task, /*watch=*/true);
  } else if (auto* outcomes = std::get_if<DeliverOutcomes>(&request.action)) {
    watchers_.DeliverAll(outcomes->call, outcomes->all);
  } else if (auto* report = std::get_if<ReportProgress>(&request.action)) {
    Progress(std::move(*report));
  } else if (auto* output = std::get_if<TakeOutput>(&request.action)) {
    Take(std::move(*output));
  } else if (auto* wait = std::get_if<AwaitOutput>(&request.action)) {
    Await(std::move(*wait));
  } else {
    auto& ask = std::get<AskQuery>(request.action);
    questions_.Add(ask.call, std::move(ask));
  }
}

void Broker::Impl::Act(engine::Command&& command, BodyPtr body) {
  if (auto* submit = std::get_if<engine::Submit>(&command)) {
    Prepare(*submit, std::move(body));
  } else if (auto* end = std::get_if<engine::EndAttempt>(&command)) {
    Prepare(*end, std::move(body));
  } else if (const auto* closed = std::get_if<engine::CallClosed>(&command)) {
    return CloseCall(closed->call);
  }
  Step(std::move(command));
}

void Broker::Impl::Prepare(engine::Submit& submit, BodyPtr payload) {
  if (submit.refusal.ok()) submit.refusal = free_space_.Check(now_ms_);
  submit.payload = AllOf(payload == nullptr ? EmptyBody() : std::move(payload));
  if (submit.wait_if_full_ms <= 0) return;
  submit.held_bytes = BytesOf(submit.payload);
  // What waits already goes on waiting, and costs nothing more.
  if (engine_.Totals().waiting_bytes > options_.waiting_bytes_max &&
      !engine_.WaitsForRoom(submit.id)) {
    submit.wait_if_full_ms = 0;
  }
}

// A result is stored also when it is empty; few errors have details.
void Broker::Impl::Prepare(engine::EndAttempt& end, BodyPtr body) {
  if (body == nullptr) body = EmptyBody();
  const bool empty = body->bytes.empty() && body->content_type.empty();
  if (end.end == engine::AttemptEnd::kSucceeded || !empty) end.body = AllOf(std::move(body));
}

void Broker::Impl::CloseCall(engine::CallId call) {
  Step(engine::CallClosed{call});
  questions_.CallClosed(call);
  store_reads_.CallClosed(call);
  late_.CallClosed(call);
  output_readers_.CallClosed(call);
  std::vector<TaskId> unwatched;
  watchers_.CallClosed(call, unwatched);
  turn_.closed.insert(call);
  for (const TaskId task : unwatched) Step(engine::WatchTask{task, /*watch=*/false});
}

void Broker::Impl::Await(engine::CallId call, TaskId task, bool watch) {
  if (!MayWait(call)) return;
  watchers_.Add(call, task, watch);
  if (watch) Step(engine::WatchTask{task, /*watch=*/true});
  if (watch) {
    questions_.Add(call, WatchTask{call, task});
  } else {
    questions_.Add(call, AwaitTask{call, task});
  }
}

bool Broker::Impl::MayWait(engine::CallId call) {
  if (watchers_.size() + output_readers_.size() < options_.watchers_max) return true;
  turn_.effects.outputs.push_back(
      {Durability::kMemory,
       engine::EndCall{call, absl::ResourceExhaustedError(
                                 "the broker already watches as many tasks as it may: await fewer "
                                 "tasks at a time, or ask with GetTask")}});
  return false;
}

void Broker::Impl::Progress(ReportProgress report) {
  const std::optional<TaskId> task = engine_.FindLeased(report.call, report.token);
  if (!task.has_value()) return;
  progress_.Set(*task, std::move(report.progress));
  if (watchers_.AnyWatching(*task)) {
    turn_.effects.outputs.push_back({Durability::kMemory, engine::TaskChanged{*task}});
  }
}

void Broker::Impl::Step(engine::Command&& command) {
  engine_.Step(now_ms_, std::move(command), turn_.effects);
  EncodeChanges();
}

void Broker::Impl::EncodeChanges() {
  const std::vector<engine::RowChange>& changes = turn_.effects.changes;
  for (; turn_.changes_encoded < changes.size(); ++turn_.changes_encoded) {
    const engine::RowChange& change = changes[turn_.changes_encoded];
    if (const auto* row = std::get_if<engine::Row>(&change)) {
      Note(*row);
    } else if (const auto* run = std::get_if<engine::TaskKey>(&std::get<engine::RowKey>(change))) {
      cache_.Drop(run->id);
      ahead_.Drop(run->id);
    }
    encoder_.Encode(change, turn_.batch);
  }
}

// Accepted tasks' payloads are kept for their dispatch.
void Broker::Impl::Note(const engine::Row& row) {
  if (const auto* key = std::get_if<engine::KeyRow>(&row)) {
    held_.Written(*key);
  } else if (const auto* task = std::get_if<engine::TaskRow>(&row)) {
    TREADLE_ASSERT(task->payload.body != nullptr &&
                   task->payload.bytes == task->spec.payload_bytes);
    traces_.Accepted(*task, UnixMs());
    // What is left of a compacted run has waited for long, and would keep all of its payloads here.
    if (task->payload.bytes < task->payload.body->bytes.size()) return;
    cache_.Put(task->id, task->payload, task->tasks());
  } else if (const auto* attempt = std::get_if<engine::AttemptRow>(&row)) {
    traces_.Changed(*attempt, UnixMs(), clock_.WallOffsetMs());
  } else if (const auto* finished = std::get_if<engine::FinishedRow>(&row)) {
    TREADLE_ASSERT(finished->state != engine::TaskState::kSucceeded ||
                   finished->body.body != nullptr);
  }
}

}  // namespace treadle::broker
