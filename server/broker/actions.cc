#include <utility>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

// What requests do before their turn is stored.

namespace treadle::broker {
namespace {

// Does what came with an attempt's end stay with the task that it ended? Only few errors have
// details.
bool HasBody(const engine::FinishedRow& row, const Body& body) {
  if (row.state == engine::TaskState::kSucceeded) return true;
  const bool empty = body.bytes.empty() && body.content_type.empty();
  return row.state == engine::TaskState::kFailed && !empty;
}

}  // namespace

using engine::Durability;

void Broker::Impl::Act(Request& request) {
  if (failure_.ok() && !HoldBack(request)) ActNow(request);
}

void Broker::Impl::ActNow(Request& request) {
  BodyPtr body = std::move(request.body);
  if (body == nullptr) body = EmptyBody();
  if (auto* command = std::get_if<engine::Command>(&request.action)) {
    Act(std::move(*command), std::move(body));
  } else if (auto* await = std::get_if<AwaitTask>(&request.action)) {
    Await(await->call, await->task, /*watch=*/false);
  } else if (auto* watch = std::get_if<WatchTask>(&request.action)) {
    Await(watch->call, watch->task, /*watch=*/true);
  } else if (auto* outcomes = std::get_if<DeliverOutcomes>(&request.action)) {
    watchers_.DeliverAll(outcomes->call, outcomes->all);
  } else if (auto* report = std::get_if<ReportProgress>(&request.action)) {
    Progress(std::move(*report));
  } else {
    auto& ask = std::get<AskQuery>(request.action);
    questions_.Add(ask.call, std::move(ask));
  }
}

void Broker::Impl::Act(engine::Command&& command, BodyPtr body) {
  if (std::holds_alternative<engine::Submit>(command)) {
    Submit(std::move(command), std::move(body));
  } else if (std::holds_alternative<engine::EndAttempt>(command)) {
    EndAttempt(std::move(command), std::move(body));
  } else if (const auto* open = std::get_if<engine::OpenSession>(&command)) {
    OpenSession(*open);
  } else if (const auto* closed = std::get_if<engine::CallClosed>(&command)) {
    CloseCall(closed->call);
  } else {
    Step(std::move(command));
  }
}

void Broker::Impl::Submit(engine::Command&& command, BodyPtr body) {
  auto& submit = std::get<engine::Submit>(command);
  if (submit.refusal.ok()) submit.refusal = free_space_.Check(now_ms_);
  // What is parked already goes on waiting, and costs nothing more.
  if (parked_.bytes() > options_.parked_bytes_max && !parked_.Has(submit.id)) {
    submit.wait_if_full_ms = 0;
  }

  const engine::CallId call = submit.call;
  const uint64_t item = submit.item;
  const TaskId task = submit.id;
  size_t output = turn_.effects.outputs.size();
  Step(std::move(command), task, body);
  for (; output < turn_.effects.outputs.size(); ++output) {
    const auto* said = std::get_if<engine::Submitted>(&turn_.effects.outputs[output].event);
    if (said != nullptr && said->call == call && said->item == item) return;
  }
  parked_.Park(call, item, task, std::move(body));  // not answered: it waits for room
}

void Broker::Impl::EndAttempt(engine::Command&& command, BodyPtr body) {
  const TaskId task = std::get<engine::EndAttempt>(command).task;
  size_t output = turn_.effects.outputs.size();
  Step(std::move(command), task, body);
  for (; output < turn_.effects.outputs.size(); ++output) {
    const auto* finished = std::get_if<engine::TaskFinished>(&turn_.effects.outputs[output].event);
    if (finished != nullptr && HasBody(*finished->row, *body)) {
      turn_.results.emplace_back(output, std::move(body));
      return;
    }
  }
}

// What waits for room goes over to a session's newer stream, and so do the answers: see
// engine::OpenSession.
void Broker::Impl::OpenSession(engine::OpenSession open) {
  size_t output = turn_.effects.outputs.size();
  Step(open);
  if (parked_.empty()) return;
  for (; output < turn_.effects.outputs.size(); ++output) {
    const auto* said = std::get_if<engine::SessionOpened>(&turn_.effects.outputs[output].event);
    if (said != nullptr && said->status.ok()) parked_.Adopt(said->session, open.call);
  }
}

void Broker::Impl::CloseCall(engine::CallId call) {
  Step(engine::CallClosed{call});
  parked_.CallClosed(call);
  questions_.CallClosed(call);
  store_reads_.CallClosed(call);
  late_.CallClosed(call);
  std::vector<TaskId> unwatched;
  watchers_.CallClosed(call, unwatched);
  turn_.closed.insert(call);
  for (const TaskId task : unwatched) Step(engine::WatchTask{task, /*watch=*/false});
}

void Broker::Impl::Await(engine::CallId call, TaskId task, bool watch) {
  if (watchers_.size() >= options_.watchers_max) {
    turn_.effects.outputs.push_back(
        {Durability::kMemory,
         engine::EndCall{call, absl::ResourceExhaustedError(
                                   "the broker already watches as many tasks as it may: await "
                                   "fewer tasks at a time, or ask with GetTask")}});
    return;
  }
  watchers_.Add(call, task, watch);
  if (watch) Step(engine::WatchTask{task, /*watch=*/true});
  if (watch) {
    questions_.Add(call, WatchTask{call, task});
  } else {
    questions_.Add(call, AwaitTask{call, task});
  }
}

void Broker::Impl::Progress(ReportProgress report) {
  if (!engine_.HoldsLease(report.call, report.task, report.token)) return;
  progress_.Set(report.task, std::move(report.progress));
  if (watchers_.AnyWatching(report.task)) {
    turn_.effects.outputs.push_back({Durability::kMemory, engine::TaskChanged{report.task}});
  }
}

// `body` is what came with the command, about `task`.
void Broker::Impl::Step(engine::Command&& command, TaskId task, const BodyPtr& body) {
  engine_.Step(now_ms_, std::move(command), turn_.effects);
  EncodeChanges(task, body);
  FreeAnswered();
}

// Once its room is taken, or refused, a submit's body goes: before the same one can come again.
void Broker::Impl::FreeAnswered() {
  const std::vector<engine::Output>& outputs = turn_.effects.outputs;
  for (size_t& i = turn_.outputs_seen; i < outputs.size(); ++i) {
    if (parked_.empty()) continue;
    const auto* said = std::get_if<engine::Submitted>(&outputs[i].event);
    if (said != nullptr) parked_.Answered(said->call, said->item);
  }
}

void Broker::Impl::EncodeChanges(TaskId task, const BodyPtr& body) {
  const std::vector<engine::RowChange>& changes = turn_.effects.changes;
  for (; turn_.changes_encoded < changes.size(); ++turn_.changes_encoded) {
    const engine::RowChange& change = changes[turn_.changes_encoded];
    if (const auto* row = std::get_if<engine::Row>(&change)) {
      if (const auto* key = std::get_if<engine::KeyRow>(row)) held_.Written(*key);
    }
    const BodyPtr row_body = BodyOf(change, task, body);
    encoder_.Encode(change, row_body.get(), turn_.batch);
  }
}

// The bytes that are stored with a row: an accepted task's payload, which is then kept for its
// dispatch, or a finished one's result or error's details.
BodyPtr Broker::Impl::BodyOf(const engine::RowChange& change, TaskId task, const BodyPtr& body) {
  const auto* row = std::get_if<engine::Row>(&change);
  if (row == nullptr) return nullptr;
  if (const auto* accepted = std::get_if<engine::TaskRow>(row)) {
    BodyPtr payload = accepted->id == task ? body : parked_.Take(accepted->id);
    TREADLE_ASSERT(payload != nullptr && payload->bytes.size() == accepted->spec.payload_bytes);
    cache_.Put(accepted->id, payload);
    return payload;
  }
  if (const auto* finished = std::get_if<engine::FinishedRow>(row)) {
    if (finished->state == engine::TaskState::kSucceeded) {
      TREADLE_ASSERT(finished->id == task && body != nullptr);
    }
    return finished->id == task && HasBody(*finished, *body) ? body : nullptr;
  }
  return nullptr;
}

}  // namespace treadle::broker
