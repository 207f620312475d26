#include "server/rpc/list_tasks.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/support/limits.h"
#include "server/broker/stored_tasks.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

constexpr uint32_t kFinalStates = 1u << static_cast<int>(engine::TaskState::kSucceeded) |
                                  1u << static_cast<int>(engine::TaskState::kFailed) |
                                  1u << static_cast<int>(engine::TaskState::kCancelled) |
                                  1u << static_cast<int>(engine::TaskState::kExpired);

// How far a list has come.
struct Position {
  bool finished_part = false;
  uint64_t order = 0;  // of the last unfinished task
  TaskId task;         // the next finished one

  std::string Encode() const {
    return finished_part ? absl::StrCat("f ", task.session, " ", task.sequence)
                         : absl::StrCat("u ", order);
  }
  static std::optional<Position> Decode(const std::string& text) {
    const std::vector<std::string> parts = absl::StrSplit(text, ' ');
    Position position;
    position.finished_part = parts[0] == "f";
    const bool good = position.finished_part
                          ? parts.size() == 3 &&
                                absl::SimpleAtoi(parts[1], &position.task.session) &&
                                absl::SimpleAtoi(parts[2], &position.task.sequence)
                          : parts.size() == 2 && absl::SimpleAtoi(parts[1], &position.order);
    return good ? std::optional(position) : std::nullopt;
  }
};

struct Question {
  std::string queue;
  std::string type;
  uint32_t states = 0;  // 0: every state
  bool include_finished = false;

  std::string ToString() const {
    return absl::StrCat("tasks ", queue.size(), " ", queue, " ", type, " ", states, " ",
                        include_finished);
  }
  bool wants_unfinished() const { return states == 0 || (states & ~kFinalStates) != 0; }
  bool Accepts(const engine::FinishedRow& row) const {
    return (queue.empty() || *row.queue == queue) && (type.empty() || *row.type == type) &&
           (states == 0 || (states & 1u << static_cast<int>(row.state)) != 0);
  }
};

// One page under way: those that have not ended come from the engine, then the others from the
// store.
struct Page {
  Question question;
  size_t limit = 0;
  std::optional<Position> position;  // where to go on; absent: at the end
  v1::ListTasksResponse response;

  // True: the page is full, or wants nothing of what has ended.
  bool AddUnfinished(const broker::View& view) {
    if (!position->finished_part && question.wants_unfinished()) {
      bool done = true;
      for (const engine::TaskView& task : view.engine.ListTasks(
               question.queue, question.type, question.states, limit, position->order, done)) {
        Write(task, view.Progress(task.id), response.add_tasks());
      }
      if (!done) return true;
    }
    if (!question.include_finished) {
      position.reset();
      return true;
    }
    position->finished_part = true;
    return room() == 0;
  }

  absl::Status AddFinished(broker::StoredTasks& stored) {
    const absl::StatusOr<broker::FinishedPage> page = stored.ListFinished(
        room(), position->task,
        [this](const engine::FinishedRow& finished) { return question.Accepts(finished); });
    if (!page.ok()) return page.status();
    auto bytes = static_cast<int64_t>(response.ByteSizeLong());
    for (const engine::FinishedRow& row : page->rows) {
      // Each of a thousand may have an error of 64 KiB: a page stays below what a client takes.
      if (bytes >= limits::kOutgoingMessageBytes) {
        position->task = row.id;
        return absl::OkStatus();
      }
      v1::Task* const task = response.add_tasks();
      Write(row, task);
      bytes += static_cast<int64_t>(task->ByteSizeLong());
    }
    if (page->next.has_value()) {
      position->task = *page->next;
    } else {
      position.reset();
    }
    return absl::OkStatus();
  }

  v1::ListTasksResponse Take() {
    if (position.has_value()) {
      response.set_next_page_token(EncodePageToken(question.ToString(), position->Encode()));
    }
    return std::move(response);
  }

 private:
  size_t room() const { return limit - static_cast<size_t>(response.tasks_size()); }
};

}  // namespace

absl::Status ListTasks(Edge&, UnaryCall& call, v1::ListTasksRequest& request) {
  if (absl::Status s = ValidateListTasks(request); !s.ok()) return s;
  Question question{.queue = request.queue(), .type = request.type()};
  question.include_finished = request.include_finished();
  for (const int state : request.states()) question.states |= 1u << state;
  absl::StatusOr<std::string> token = DecodePageToken(question.ToString(), request.page_token());
  if (!token.ok()) return token.status();
  std::optional<Position> position = token->empty() ? Position() : Position::Decode(*token);
  if (!position.has_value()) return absl::InvalidArgumentError("page_token: not one of ours");
  const auto page = std::make_shared<Page>();
  page->question = std::move(question);
  page->limit = request.page_size() == 0 ? limits::kTasksPageSize : request.page_size();
  page->position = position;
  using Response = absl::StatusOr<v1::ListTasksResponse>;
  call.Ask<v1::ListTasksResponse>(
      [page](const broker::View& view) -> std::optional<Response> {
        if (!page->AddUnfinished(view)) return std::nullopt;
        return page->Take();
      },
      [page](broker::StoredTasks& stored) -> Response {
        if (absl::Status s = page->AddFinished(stored); !s.ok()) return s;
        return page->Take();
      });
  return absl::OkStatus();
}

}  // namespace treadle::rpc
