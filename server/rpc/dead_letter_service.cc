#include "server/rpc/dead_letter_service.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/support/limits.h"
#include "proto/wire/status.h"
#include "server/broker/stored_tasks.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/requests.h"
#include "server/rpc/task_search.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/dead_letter_service.pb.h"

namespace treadle::rpc {
namespace {

absl::Status NoSuchQueue(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("queue: there is no queue '", name,
                                          "'; see ListQueues for those that there are"));
}

// A page of a queue's dead letters.
struct LetterPage {
  explicit LetterPage(TaskSearch its_search) : search(std::move(its_search)) {}

  std::string queue;
  engine::LetterMatch match;
  TaskSearch search;
  size_t limit = 0;
  uint64_t from = 0;
  int64_t now_ms = 0;  // when the first page was asked for

  std::string Question() const {
    return absl::StrCat("dead letters ", queue.size(), " ", queue, " ", match.type, " ",
                        match.group.has_value() ? WriteGroup(*match.group) : "", " ",
                        search.Question());
  }
  bool Accepts(const engine::DeadLetterRow& letter) const {
    return search.filter().empty() || search.Takes(engine::TaskRecord(letter, now_ms));
  }
  std::string Encode(uint64_t next) const { return absl::StrCat(next, " ", now_ms); }
  bool GoOn(const std::string& position) {
    const std::vector<std::string> parts = absl::StrSplit(position, ' ');
    return parts.size() == 2 && absl::SimpleAtoi(parts[0], &from) &&
           absl::SimpleAtoi(parts[1], &now_ms) && now_ms >= 0;
  }
};

// Headers are stored with payloads: so much of both is read for a page.
constexpr int64_t kHeaderBytesMax = int64_t{16} << 20;

absl::StatusOr<v1::ListDeadLettersResponse> ReadPage(const LetterPage& page,
                                                     broker::StoredTasks& stored) {
  const absl::StatusOr<broker::DeadLetterPage> found = stored.ListDeadLetters(
      {.queue = page.queue, .from = page.from, .limit = page.limit, .match = page.match},
      [&page](const engine::DeadLetterRow& letter) { return page.Accepts(letter); });
  if (!found.ok()) return found.status();
  v1::ListDeadLettersResponse response;
  response.set_searched(found->searched);
  std::optional<uint64_t> next = found->next;
  const int64_t stop_at_bytes = stored.bytes_read() + kHeaderBytesMax;
  for (const engine::DeadLetterRow& letter : found->rows) {
    if (page.search.AsksHeaders()) {
      if (stored.bytes_read() >= stop_at_bytes) {
        next = letter.number;
        break;
      }
      const std::optional<broker::BodyPart> payload = stored.DeadPayload(letter.id);
      const search::Record::Headers* const headers =
          payload.has_value() ? &payload->body->headers : nullptr;
      if (!page.search.TakesStored(headers, /*dead=*/true)) continue;
    }
    Write(letter, response.add_dead_letters());
  }
  if (next.has_value()) {
    response.set_next_page_token(EncodePageToken(page.Question(), page.Encode(*next)));
  }
  return response;
}

absl::Status ListDeadLetters(Edge& edge, UnaryCall& call, v1::ListDeadLettersRequest& request) {
  if (absl::Status s = ValidateName("queue", request.queue()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("type", request.type()); !s.ok()) return s;
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  absl::StatusOr<TaskSearch> search = TaskSearch::ReadUnordered("filter", request.filter());
  if (!search.ok()) return search.status();
  const auto page = std::make_shared<LetterPage>(*std::move(search));
  page->queue = request.queue();
  page->match.type = request.type();
  page->now_ms = edge.clock.WallMs();
  if (!request.group().empty()) {
    const absl::StatusOr<uint64_t> group = ReadGroup(request.group());
    if (!group.ok()) return group.status();
    page->match.group = *group;
  }
  page->limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  const absl::StatusOr<std::string> token = DecodePageToken(page->Question(), request.page_token());
  if (!token.ok()) return token.status();
  if (!token->empty() && !page->GoOn(*token)) {
    return absl::InvalidArgumentError("page_token: not one of ours");
  }
  using Response = absl::StatusOr<v1::ListDeadLettersResponse>;
  call.Ask<v1::ListDeadLettersResponse>(
      [page](const broker::View& view) -> std::optional<Response> {
        const bool known = view.engine.FindQueue(page->queue, view.now_ms).has_value();
        return known ? std::nullopt : std::optional<Response>(NoSuchQueue(page->queue));
      },
      [page](broker::StoredTasks& stored) { return ReadPage(*page, stored); });
  return absl::OkStatus();
}

// Their counts change between two pages, and so may their order: a page goes on by its place.
absl::Status ListDeadLetterGroups(Edge&, UnaryCall& call,
                                  v1::ListDeadLetterGroupsRequest& request) {
  if (absl::Status s = ValidateOptionalName("queue", request.queue()); !s.ok()) return s;
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  const std::string question = absl::StrCat("dead letter groups ", request.queue());
  const absl::StatusOr<uint64_t> first =
      DecodePageNumber(question, request.page_token(), /*first=*/0);
  if (!first.ok()) return first.status();
  const auto limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  call.Ask<v1::ListDeadLetterGroupsResponse>(
      [queue = request.queue(), question, skip = *first,
       limit](const broker::View& view) -> absl::StatusOr<v1::ListDeadLetterGroupsResponse> {
        if (!queue.empty() && !view.engine.FindQueue(queue, view.now_ms).has_value()) {
          return NoSuchQueue(queue);
        }
        v1::ListDeadLetterGroupsResponse response;
        for (const auto& group : view.engine.ListLetterGroups(queue, skip, limit)) {
          Write(group, response.add_groups());
        }
        if (static_cast<size_t>(response.groups_size()) == limit) {
          response.set_next_page_token(EncodePageToken(question, absl::StrCat(skip + limit)));
        }
        return response;
      });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TaskId>> ReadIds(
    const google::protobuf::RepeatedPtrField<std::string>& names) {
  if (absl::Status s = ValidateBatch("task_ids", names.size(), 1, limits::kPageSizeMax); !s.ok()) {
    return s;
  }
  std::vector<TaskId> ids;
  ids.reserve(static_cast<size_t>(names.size()));
  for (const std::string& name : names) {
    const absl::StatusOr<TaskId> id = ValidateTaskId("task_ids", name);
    if (!id.ok()) return id.status();
    ids.push_back(*id);
  }
  return ids;
}

// The answer has what `add` makes of each.
template <typename Response, typename Add>
absl::Status TakeLetters(UnaryCall& call, engine::TakeLetters take, Add add) {
  absl::StatusOr<engine::Actor> actor = call.actor();
  if (!actor.ok()) return actor.status();
  take.by = *std::move(actor);
  take.call = call.id();
  take.origin = call.origin();
  call.Expect([add](UnaryCall& self, broker::Delivery& delivery) {
    const auto* taken = std::get_if<engine::LettersTaken>(&delivery);
    if (taken == nullptr) return;
    Response response;
    for (const engine::LettersTaken::Taken& letter : taken->letters) add(letter, response);
    self.Reply(response);
  });
  call.Post(broker::Lane::kClients, ToRequest(std::move(take)));
  return absl::OkStatus();
}

absl::Status RedriveDeadLetters(Edge&, UnaryCall& call, v1::RedriveDeadLettersRequest& request) {
  if (absl::Status s = ValidateOptionalName("queue", request.queue()); !s.ok()) return s;
  if (absl::Status s =
          ValidateRange("max_attempts", request.max_attempts(), 0, limits::kAttemptsMax);
      !s.ok()) {
    return s;
  }
  absl::StatusOr<std::vector<TaskId>> ids = ReadIds(request.task_ids());
  if (!ids.ok()) return ids.status();
  engine::TakeLetters take;
  take.tasks = *std::move(ids);
  take.redrive = engine::RedriveTo{request.queue(), request.max_attempts()};
  return TakeLetters<v1::RedriveDeadLettersResponse>(
      call, std::move(take),
      [](const engine::LettersTaken::Taken& letter, v1::RedriveDeadLettersResponse& response) {
        v1::RedriveResult& result = *response.add_results();
        wire::ToItem(letter.status, result.mutable_status());
        if (letter.status.ok()) result.set_task_id(letter.redriven_as.ToString());
      });
}

absl::Status DeleteDeadLetters(Edge&, UnaryCall& call, v1::DeleteDeadLettersRequest& request) {
  absl::StatusOr<std::vector<TaskId>> ids = ReadIds(request.task_ids());
  if (!ids.ok()) return ids.status();
  engine::TakeLetters take;
  take.tasks = *std::move(ids);
  return TakeLetters<v1::DeleteDeadLettersResponse>(
      call, std::move(take),
      [](const engine::LettersTaken::Taken& letter, v1::DeleteDeadLettersResponse& response) {
        wire::ToItem(letter.status, response.add_results());
      });
}

absl::Status GetDeadLetter(Edge&, UnaryCall& call, v1::GetDeadLetterRequest& request) {
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  using Response = absl::StatusOr<v1::GetDeadLetterResponse>;
  const auto moving = std::make_shared<std::optional<engine::MovingLetter>>();
  call.Ask<v1::GetDeadLetterResponse>(
      [task = *task, moving](const broker::View& view) -> std::optional<Response> {
        *moving = view.engine.FindMoving(task);
        return std::nullopt;
      },
      [task = *task, moving](broker::StoredTasks& stored) -> Response {
        const absl::StatusOr<broker::StoredLetter> found =
            stored.FindDeadLetter(task, *moving, /*with_task=*/true);
        if (!found.ok()) return found.status();
        v1::GetDeadLetterResponse response;
        Write(found->letter, response.mutable_dead_letter());
        if (!found->task.has_value()) {
          return absl::DataLossError(
              absl::StrCat("task ", task.ToString(), " is a dead letter, and its payload is lost"));
        }
        Write(found->task->payload, &response);
        return response;
      });
  return absl::OkStatus();
}

}  // namespace

void ServeDeadLetters(Methods& methods) {
  Service letters(methods, "treadle.v1.DeadLetterService");
  letters.Unary("ListDeadLetters", ListDeadLetters);
  letters.Unary("ListDeadLetterGroups", ListDeadLetterGroups);
  letters.Unary("GetDeadLetter", GetDeadLetter);
  letters.Unary("RedriveDeadLetters", RedriveDeadLetters);
  letters.Unary("DeleteDeadLetters", DeleteDeadLetters);
}

}  // namespace treadle::rpc
