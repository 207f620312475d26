#include "server/rpc/task_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "server/broker/stored_tasks.h"
#include "server/engine/lost_time.h"
#include "server/rpc/convert.h"
#include "server/rpc/explain.h"
#include "server/rpc/list_tasks.h"
#include "server/rpc/requests.h"
#include "server/rpc/session_stream.h"
#include "server/rpc/submit_call.h"
#include "server/rpc/submit_reader.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "server/rpc/watch_stream.h"
#include "treadle/v1/explain.pb.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::rpc {
namespace {

absl::StatusOr<broker::OutcomeReady> FindFinished(broker::StoredTasks& stored, TaskId id) {
  absl::StatusOr<broker::OutcomeReady> finished = stored.Finished(id);
  if (absl::IsNotFound(finished.status())) return UnknownTaskError(id);
  return finished;
}

// A dead letter outlives the task's outcome, or not.
absl::Status FindEnded(broker::StoredTasks& stored, TaskId id,
                       const std::optional<engine::MovingLetter>& moving, v1::Task& task) {
  const absl::StatusOr<broker::OutcomeReady> finished = FindFinished(stored, id);
  if (finished.ok() && finished->row->state != engine::TaskState::kFailed) {
    Write(*finished->row, &task);
    return absl::OkStatus();
  }
  const absl::StatusOr<broker::StoredLetter> letter =
      stored.FindDeadLetter(id, moving, /*with_task=*/false);
  if (!finished.ok()) {
    if (!letter.ok()) return finished.status();
    v1::DeadLetter shown;
    Write(letter->letter, &shown);
    task = std::move(*shown.mutable_task());
    return absl::OkStatus();
  }
  Write(*finished->row, &task);
  Write(finished->row->failed, &task);
  task.set_dead_letter(letter.ok());
  return absl::OkStatus();
}

// Looks for a task wherever it is: in the engine, among the finished ones, or the dead letters.
template <typename Response>
void AskForTask(UnaryCall& call, TaskId id) {
  const auto moving = std::make_shared<std::optional<engine::MovingLetter>>();
  call.Ask<Response>(
      [id, moving](const broker::View& view) -> std::optional<absl::StatusOr<Response>> {
        *moving = view.engine.FindMoving(id);
        const auto found = view.engine.FindTask(id);
        if (!found.has_value()) return std::nullopt;
        Response response;
        Write(*found, view.Progress(id), response.mutable_task());
        Write(found->failed, response.mutable_task());
        return response;
      },
      [id, moving](broker::StoredTasks& stored) -> absl::StatusOr<Response> {
        Response response;
        absl::Status found = FindEnded(stored, id, *moving, *response.mutable_task());
        if (!found.ok()) return found;
        return response;
      });
}

absl::Status GetTask(Edge&, UnaryCall& call, v1::GetTaskRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  AskForTask<v1::GetTaskResponse>(call, *task);
  return absl::OkStatus();
}

absl::StatusOr<v1::GetPayloadResponse> PayloadOfUnfinished(broker::StoredTasks& stored, TaskId task,
                                                           TaskId row) {
  const std::optional<broker::BodyPart> payload = stored.Payload(task, row);
  if (!payload.has_value()) {
    return absl::AbortedError(
        absl::StrCat("task ", task.ToString(), " ended while its payload was read: ask again"));
  }
  v1::GetPayloadResponse response;
  Write(*payload, &response);
  return response;
}

absl::Status GetPayload(Edge&, UnaryCall& call, v1::GetPayloadRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  using Response = absl::StatusOr<v1::GetPayloadResponse>;
  auto row = std::make_shared<std::optional<TaskId>>();
  call.Ask<v1::GetPayloadResponse>(
      [task = *task, row](const broker::View& view) -> std::optional<Response> {
        *row = view.engine.RowOf(task);
        return std::nullopt;
      },
      [task = *task, row](broker::StoredTasks& stored) -> Response {
        if (row->has_value()) return PayloadOfUnfinished(stored, task, **row);
        const absl::Status ended = FindFinished(stored, task).status();
        if (!ended.ok()) return ended;
        return absl::FailedPreconditionError(absl::StrCat(
            "task ", task.ToString(), " has ended: its payload was kept until then, and is gone"));
      });
  return absl::OkStatus();
}

void OnAwaited(UnaryCall& call, broker::Delivery& delivery) {
  if (const auto* outcome = std::get_if<broker::OutcomeReady>(&delivery)) {
    v1::AwaitTaskResponse response;
    response.set_finished(true);
    Write(*outcome, response.mutable_outcome());
    call.Unpark();
    call.Reply(response);
  } else if (const auto* unknown = std::get_if<broker::TaskUnknown>(&delivery)) {
    call.Unpark();
    call.End(UnknownTaskError(unknown->task));
  } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
    call.End(end->status);
  }
}

// The outcome if there is one now.
void AskForOutcome(UnaryCall& call, TaskId task) {
  using Response = absl::StatusOr<v1::AwaitTaskResponse>;
  call.Ask<v1::AwaitTaskResponse>(
      [task](const broker::View& view) -> std::optional<Response> {
        if (!view.engine.IsUnfinished(task)) return std::nullopt;
        return v1::AwaitTaskResponse();
      },
      [task](broker::StoredTasks& stored) -> Response {
        const absl::StatusOr<broker::OutcomeReady> outcome = FindFinished(stored, task);
        if (!outcome.ok()) return outcome.status();
        v1::AwaitTaskResponse response;
        response.set_finished(true);
        Write(*outcome, response.mutable_outcome());
        return response;
      });
}

absl::Status AwaitTask(Edge&, UnaryCall& call, v1::AwaitTaskRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  if (absl::Status s =
          ValidateRange("timeout_ms", request.timeout_ms(), 0, limits::kWaitMsMax, "ms");
      !s.ok()) {
    return s;
  }
  if (request.timeout_ms() == 0) {
    AskForOutcome(call, *task);
    return absl::OkStatus();
  }
  call.Expect(OnAwaited);
  call.Park(broker::Lane::kQuestions);
  call.After(request.timeout_ms(), [](UnaryCall& self) { self.Reply(v1::AwaitTaskResponse()); });
  call.Post(broker::Lane::kQuestions, {broker::AwaitTask{call.id(), *task}, nullptr});
  return absl::OkStatus();
}

// Its answer comes from the query.
void OnOutputAwaited(UnaryCall& call, broker::Delivery& delivery) {
  if (const auto* end = std::get_if<engine::EndCall>(&delivery)) call.End(end->status);
}

// What is known of a task whose output is read.
struct OutputOf {
  TaskId task;
  v1::Task shown;
  uint64_t before = UINT64_MAX;       // of the offsets that it has; UINT64_MAX: it has ended
  std::optional<engine::Token> last;  // whose output is not superseded
  std::optional<engine::MovingLetter> moving;

  bool ended() const { return before == UINT64_MAX; }
  void Write(v1::ReadOutputResponse& response) const {
    response.set_state(shown.state());
    response.set_attempt(shown.attempts());
    if (shown.has_progress()) *response.mutable_progress() = shown.progress();
  }
};

using OutputResponse = absl::StatusOr<v1::ReadOutputResponse>;

// Absent: there is something to read, or it has ended.
std::optional<OutputResponse> LookAtOutput(const broker::View& view, uint64_t offset,
                                           OutputOf& of) {
  of.moving = view.engine.FindMoving(of.task);
  const auto found = view.engine.FindTask(of.task);
  if (!found.has_value()) return std::nullopt;
  Write(*found, view.Progress(of.task), &of.shown);
  const engine::OutputRow* const output = view.Output(of.task);
  of.before = output == nullptr ? 0 : output->next;
  if (of.before > offset) {
    of.last = output->attempts.back().token;
    return std::nullopt;
  }
  v1::ReadOutputResponse response;
  of.Write(response);
  response.set_next_offset(offset);
  return response;
}

OutputResponse ReadStoredOutput(broker::StoredTasks& stored, uint64_t offset, int64_t bytes_max,
                                OutputOf& of) {
  if (of.ended()) {
    if (absl::Status s = FindEnded(stored, of.task, of.moving, of.shown); !s.ok()) return s;
    if (const auto last = stored.LastPiece(of.task)) of.last = last->token;
  }
  absl::StatusOr<broker::OutputPage> page =
      stored.ReadOutput(of.task, offset, of.before, bytes_max);
  if (!page.ok()) return page.status();
  v1::ReadOutputResponse response;
  of.Write(response);
  response.set_next_offset(page->next);
  response.set_end(of.ended() && page->all);
  for (engine::OutputPieceRow& piece : page->pieces) {
    v1::OutputRun& run = *response.add_runs();
    run.set_superseded(piece.token != of.last || piece.attempt < of.shown.attempts());
    Write(std::move(piece), &run);
  }
  return response;
}

broker::Query OutputQuery(UnaryCall& call, TaskId task, uint64_t offset, int64_t bytes_max) {
  const auto of = std::make_shared<OutputOf>(OutputOf{.task = task});
  return call.QueryOf<v1::ReadOutputResponse>(
      [offset, of](const broker::View& view) { return LookAtOutput(view, offset, *of); },
      [offset, bytes_max, of](broker::StoredTasks& stored) {
        return ReadStoredOutput(stored, offset, bytes_max, *of);
      });
}

absl::Status ReadOutput(Edge&, UnaryCall& call, v1::ReadOutputRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  if (absl::Status s =
          ValidateRange("bytes_max", request.bytes_max(), 0, limits::kOutputPageBytesMax, "bytes");
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateRange("wait_ms", request.wait_ms(), 0, limits::kWaitMsMax, "ms");
      !s.ok()) {
    return s;
  }
  const uint64_t offset = request.offset();
  const int64_t bytes_max = OrDefault<int64_t>(request.bytes_max(), limits::kOutputPageBytes);
  const auto ask = [task = *task, offset, bytes_max](UnaryCall& self) {
    return broker::AskQuery{self.id(), OutputQuery(self, task, offset, bytes_max)};
  };
  if (request.wait_ms() == 0) {
    call.Post(broker::Lane::kQuestions, {ask(call), nullptr});
    return absl::OkStatus();
  }
  call.Expect(OnOutputAwaited);
  call.Park(broker::Lane::kQuestions);
  call.After(request.wait_ms(), [ask](UnaryCall& self) {
    self.Post(broker::Lane::kQuestions, {ask(self), nullptr});
  });
  call.Post(broker::Lane::kQuestions, {broker::AwaitOutput{*task, offset, ask(call)}, nullptr});
  return absl::OkStatus();
}

void OnCancelled(UnaryCall& call, broker::Delivery& delivery) {
  const auto* done = std::get_if<engine::CancelDone>(&delivery);
  if (done == nullptr) return;
  if (absl::IsNotFound(done->status)) {
    call.End(UnknownTaskError(done->task));
  } else if (!done->status.ok()) {
    call.End(done->status);
  } else {
    AskForTask<v1::CancelTaskResponse>(call, done->task);
  }
}

absl::Status ExplainTask(Edge&, UnaryCall& call, v1::ExplainTaskRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  using Response = absl::StatusOr<v1::ExplainTaskResponse>;
  call.Ask<v1::ExplainTaskResponse>(
      [task = *task](const broker::View& view) -> std::optional<Response> {
        const std::optional<engine::Explanation> found = view.engine.Explain(task);
        if (!found.has_value()) return std::nullopt;
        v1::ExplainTaskResponse response;
        Write(found->task, view.Progress(task), response.mutable_task());
        for (const engine::ReasonView& reason : found->reasons) {
          Write(reason, found->task, response.add_reasons());
        }
        Write(found->lost, &response);
        return response;
      },
      [task = *task](broker::StoredTasks& stored) -> Response {
        const absl::StatusOr<broker::OutcomeReady> finished = FindFinished(stored, task);
        if (!finished.ok()) return finished.status();
        v1::ExplainTaskResponse response;
        Write(*finished->row, response.mutable_task());
        WriteEnded(*finished->row, response.add_reasons());
        Write(engine::LostTimesOf(*finished->row), &response);
        return response;
      });
  return absl::OkStatus();
}

absl::Status ExplainSubmit(Edge& edge, UnaryCall& call, v1::ExplainSubmitRequest& request) {
  broker::BodyPtr body;
  SubmitReader reader(edge.bounds());
  engine::Submit submit = reader.Read(*request.mutable_task(), edge.clock.WallMs(), body);
  if (!submit.refusal.ok()) return submit.refusal;
  call.Ask<v1::ExplainSubmitResponse>(
      [spec = std::move(submit.spec), origin = call.origin()](
          const broker::View& view) -> absl::StatusOr<v1::ExplainSubmitResponse> {
        const auto reasons = view.engine.ExplainSubmit(spec, origin);
        if (!reasons.ok()) return reasons.status();
        engine::TaskView task;
        task.queue = std::make_shared<const std::string>(spec.queue);
        task.type = std::make_shared<const std::string>(spec.type);
        v1::ExplainSubmitResponse response;
        for (const engine::ReasonView& reason : *reasons) {
          Write(reason, task, response.add_reasons());
        }
        return response;
      });
  return absl::OkStatus();
}

absl::Status CancelTask(Edge&, UnaryCall& call, v1::CancelTaskRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  if (absl::Status s = ValidateOptionalName("reason", request.reason()); !s.ok()) return s;
  absl::StatusOr<engine::Actor> actor = call.actor();
  if (!actor.ok()) return actor.status();
  call.Expect(OnCancelled);
  call.Post(broker::Lane::kClients,
            ToRequest(engine::Cancel{.call = call.id(),
                                     .task = *task,
                                     .reason = std::move(*request.mutable_reason()),
                                     .by = *std::move(actor)}));
  return absl::OkStatus();
}

}  // namespace

void ServeTasks(Methods& methods) {
  Service tasks(methods, "treadle.v1.TaskService");
  tasks.Unary("Submit", Submit);
  tasks.Unary("SubmitRun", SubmitRun);
  tasks.Stream<SessionStream>("Session");
  tasks.Unary("GetTask", GetTask);
  tasks.Unary("GetPayload", GetPayload);
  tasks.Unary("AwaitTask", AwaitTask);
  tasks.Stream<WatchStream>("WatchTask");
  tasks.Unary("ReadOutput", ReadOutput);
  tasks.Unary("CancelTask", CancelTask);
  tasks.Unary("ListTasks", ListTasks);
  tasks.Unary("ExplainTask", ExplainTask);
  tasks.Unary("ExplainSubmit", ExplainSubmit);
}

}  // namespace treadle::rpc
