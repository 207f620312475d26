#include "server/rpc/list_tasks.h"

#include <algorithm>
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
#include "server/rpc/task_search.h"
#include "server/rpc/validate.h"

// What a page costs: what it shows, or its budgets. What has not ended is looked through on the
// broker's thread, in one turn (server/engine/listing.h), and what has ended on the store's, as are
// the headers of both.

namespace treadle::rpc {
namespace {

// Unfinished tasks of one page that are looked at closely, some microseconds each.
constexpr int kCloseLooksMax = 5'000;
// That are read for a page task by task: outcomes by their ids, and headers with the payloads that
// they are stored with.
constexpr int64_t kReadBytesMax = int64_t{16} << 20;

// How far a list has come.
struct Position {
  enum class Part : char { kIds = 'i', kUnfinished = 'u', kFinished = 'f' };
  Part part = Part::kUnfinished;
  int64_t now_ms = 0;  // when the first page was asked for: ages count from it in all of them
  // Of the next one: its place among the filter's ids, or in the order of submits; ...
  uint64_t number = 0;
  // ... or among those that have ended.
  broker::FinishedPlace place;

  std::string Encode() const {
    return absl::StrCat(std::string(1, static_cast<char>(part)), " ", now_ms, " ", number, " ",
                        place.row.session, " ", place.row.sequence, " ", place.skip);
  }
  static std::optional<Position> Decode(const std::string& text) {
    const std::vector<std::string> parts = absl::StrSplit(text, ' ');
    Position position;
    if (parts.size() != 6 || parts[0].size() != 1) return std::nullopt;
    position.part = static_cast<Part>(parts[0][0]);
    const bool good = std::string_view("iuf").find(parts[0][0]) != std::string_view::npos &&
                      absl::SimpleAtoi(parts[1], &position.now_ms) && position.now_ms >= 0 &&
                      absl::SimpleAtoi(parts[2], &position.number) &&
                      absl::SimpleAtoi(parts[3], &position.place.row.session) &&
                      absl::SimpleAtoi(parts[4], &position.place.row.sequence) &&
                      absl::SimpleAtoi(parts[5], &position.place.skip);
    return good ? std::optional(position) : std::nullopt;
  }
};

// One page under way.
class Page {
 public:
  Page(TaskSearch search, size_t limit, std::optional<Position> position, int64_t now_ms)
      : search_(std::move(search)), limit_(limit) {
    ReadIds();
    position_ = position.has_value() ? *position : First(now_ms);
  }

  // On the broker's thread. True: the page is made.
  bool AddUnfinished(const broker::View& view) {
    if (position_.part == Position::Part::kIds) return AddUnfinishedIds(view);
    if (position_.part == Position::Part::kUnfinished && !LookThroughUnfinished(view)) {
      return !search_.AsksHeaders() || found_.empty();
    }
    if (search_.finished_states() == 0) {
      more_ = false;
      return !search_.AsksHeaders() || found_.empty();
    }
    if (position_.part == Position::Part::kUnfinished) GoToFinished();
    return full() && !search_.AsksHeaders();
  }

  // On the store's thread.
  absl::Status AddStored(broker::StoredTasks& stored) {
    if (position_.part == Position::Part::kIds) {
      if (absl::Status s = AddFinishedIds(stored); !s.ok()) return s;
    }
    if (!KeepWhatTheStoreTakes(stored)) return absl::OkStatus();
    if (!more_ || position_.part != Position::Part::kFinished || full()) return absl::OkStatus();
    const size_t before = found_.size();
    if (absl::Status s = LookThroughFinished(stored); !s.ok()) return s;
    KeepWhatTheStoreTakes(stored, before);
    return absl::OkStatus();
  }

  v1::ListTasksResponse Take() {
    v1::ListTasksResponse response;
    for (Found& found : found_) *response.add_tasks() = std::move(found.task);
    response.set_searched(searched_);
    if (more_) {
      response.set_next_page_token(EncodePageToken(search_.Question(), position_.Encode()));
    }
    return response;
  }

 private:
  struct Found {
    v1::Task task;
    TaskId id;
    Position at;
    std::optional<TaskId> row;  // while it has not ended: that has its headers
    bool asks_dead = false;     // whether it is a dead letter is to be looked up
  };

  bool full() const { return found_.size() >= limit_ || bytes_ >= limits::kOutgoingMessageBytes; }

  void ReadIds() {
    const std::optional<std::vector<std::string>> names = search_.filter().Ids();
    if (!names.has_value()) return;
    ids_.emplace();
    for (const std::string& name : *names) {
      if (const absl::StatusOr<TaskId> id = TaskId::Parse(name); id.ok()) ids_->push_back(*id);
    }
    std::sort(ids_->begin(), ids_->end());
    ids_->erase(std::unique(ids_->begin(), ids_->end()), ids_->end());
    if (search_.newest_first()) std::reverse(ids_->begin(), ids_->end());
  }

  Position First(int64_t now_ms) const {
    Position first{.now_ms = now_ms};
    if (ids_.has_value()) {
      first.part = Position::Part::kIds;
    } else if (search_.newest_first()) {
      first.number = UINT64_MAX;
    }
    return first;
  }

  void GoToFinished() {
    position_.part = Position::Part::kFinished;
    position_.place = search_.newest_first() ? broker::StoredTasks::kLastFinished
                                             : broker::StoredTasks::kFirstFinished;
  }

  void EndBefore(const Position& next) {
    position_ = next;
    more_ = true;
  }

  // Adds it if the search takes it, as far as that is known by now.
  void Consider(const broker::View& view, const engine::TaskView& seen, const Position& at) {
    const engine::TaskRecord record(seen, position_.now_ms);
    if (!search_.Takes(record)) return;
    Found found{.task = {}, .id = seen.id, .at = at, .row = std::nullopt};
    if (search_.AsksHeaders()) found.row = view.engine.RowOf(seen.id);
    Write(seen, view.Progress(seen.id), &found.task);
    Add(std::move(found));
  }
  void Consider(const engine::FinishedRow& row, uint32_t index, const Position& at) {
    const engine::TaskRecord record(row, index, position_.now_ms);
    if (!search_.Takes(record)) return;
    Found found{.task = {},
                .id = {row.id.session, row.id.sequence + index},
                .at = at,
                .row = std::nullopt,
                .asks_dead = search_.AsksWhetherDead(record)};
    Write(row, &found.task);
    found.task.set_task_id(found.id.ToString());
    if (row.tasks > 1) found.task.set_payload_bytes(row.payload_sizes[index]);
    Add(std::move(found));
  }
  void Add(Found found) {
    bytes_ += static_cast<int64_t>(found.task.ByteSizeLong());
    found_.push_back(std::move(found));
  }

  // False: there is more of it.
  bool LookThroughUnfinished(const broker::View& view) {
    if (search_.unfinished_states() == 0) return true;
    const auto fits = [this](const std::string& queue, const std::string& type) {
      return search_.MayBe(queue, type);
    };
    int looks = 0;
    Position at = position_;
    const engine::TasksLookedAt looked_at =
        view.engine.LookThroughTasks({.queue = search_.queue(),
                                      .states = search_.unfinished_states(),
                                      .fits = fits,
                                      .newest_first = search_.newest_first(),
                                      .from = position_.number},
                                     [&](const engine::TaskView& seen) {
                                       if (full() || looks++ == kCloseLooksMax) return false;
                                       at.number = seen.order;
                                       Consider(view, seen, at);
                                       return true;
                                     });
    searched_ += looked_at.searched;
    if (!looked_at.next.has_value()) return true;
    position_.number = *looked_at.next;
    return false;
  }

  bool AddUnfinishedIds(const broker::View& view) {
    for (; position_.number < ids_->size() && found_.size() + ended_.size() < limit_;
         ++position_.number) {
      const TaskId id = (*ids_)[position_.number];
      const std::optional<engine::TaskView> seen = view.engine.FindTask(id);
      if (!seen.has_value()) {
        ended_.emplace_back(id, position_);
        continue;
      }
      Consider(view, *seen, position_);
      ++searched_;
    }
    more_ = position_.number < ids_->size();
    return ended_.empty() && !search_.AsksHeaders();
  }

  absl::Status AddFinishedIds(broker::StoredTasks& stored) {
    const int64_t stop_at_bytes = stored.bytes_read() + kReadBytesMax;
    for (const auto& [id, at] : ended_) {
      if (full() || stored.bytes_read() >= stop_at_bytes) {
        EndBefore(at);
        break;
      }
      const absl::StatusOr<broker::OutcomeReady> outcome = stored.Finished(id);
      if (absl::IsNotFound(outcome.status())) continue;
      if (!outcome.ok()) return outcome.status();
      Consider(*outcome->row, 0, at);
      ++searched_;
    }
    std::sort(found_.begin(), found_.end(),
              [](const Found& a, const Found& b) { return a.at.number < b.at.number; });
    while (more_ && !found_.empty() && found_.back().at.number >= position_.number) {
      found_.pop_back();
    }
    return absl::OkStatus();
  }

  absl::Status LookThroughFinished(broker::StoredTasks& stored) {
    Position at = position_;
    const absl::StatusOr<broker::FinishedLookedAt> looked_at = stored.LookThroughFinished(
        position_.place, search_.newest_first(),
        [&](const engine::FinishedRow& row) {
          return (search_.finished_states() & 1u << static_cast<int>(row.state)) != 0 &&
                 search_.MayBe(*row.queue, *row.type);
        },
        [&](const engine::FinishedRow& row, uint32_t index) {
          if (full()) return false;
          at.place.row = {row.id.session, row.id.sequence + row.tasks - 1};
          at.place.skip = search_.newest_first() ? row.tasks - 1 - index : index;
          Consider(row, index, at);
          return true;
        });
    if (!looked_at.ok()) return looked_at.status();
    searched_ += looked_at->searched;
    more_ = looked_at->next.has_value();
    if (more_) position_.place = *looked_at->next;
    return absl::OkStatus();
  }

  // Of those that were found, from number `first` on, drops what the store's word speaks against.
  // False: much was read, and the page ends before the next one.
  bool KeepWhatTheStoreTakes(broker::StoredTasks& stored, size_t first = 0) {
    const int64_t stop_at_bytes = stored.bytes_read() + kReadBytesMax;
    size_t kept = first;
    for (size_t i = first; i < found_.size(); ++i) {
      Found& found = found_[i];
      if (search_.AsksHeaders() || found.asks_dead) {
        if (stored.bytes_read() >= stop_at_bytes) {
          EndBefore(found.at);
          found_.resize(kept);
          return false;
        }
        if (!TakesStored(found, stored)) continue;
      }
      if (kept != i) found_[kept] = std::move(found);
      ++kept;
    }
    found_.resize(kept);
    return true;
  }

  bool TakesStored(const Found& found, broker::StoredTasks& stored) {
    const bool dead = found.asks_dead && stored.IsDeadLetter(found.id);
    if (!search_.AsksHeaders()) return search_.TakesStored(nullptr, dead);
    // The tasks of a run have their headers in common.
    if (!found.row.has_value() || found.row != headers_of_) {
      const std::optional<broker::BodyPart> payload =
          found.row.has_value()                         ? stored.Payload(found.id, *found.row)
          : found.task.state() == v1::TASK_STATE_FAILED ? stored.DeadPayload(found.id)
                                                        : std::nullopt;
      headers_of_ = payload.has_value() ? found.row : std::nullopt;
      headers_ = payload.has_value() ? payload->body : nullptr;
    }
    return search_.TakesStored(headers_ == nullptr ? nullptr : &headers_->headers, dead);
  }

  const TaskSearch search_;
  const size_t limit_;
  std::optional<std::vector<TaskId>> ids_;  // that the filter names
  Position position_;                       // where to go on
  bool more_ = true;
  std::vector<Found> found_;
  std::vector<std::pair<TaskId, Position>> ended_;  // of ids_: those that are no unfinished tasks
  int64_t bytes_ = 0;
  int64_t searched_ = 0;
  std::optional<TaskId> headers_of_;  // the row that they are in
  broker::BodyPtr headers_;
};

}  // namespace

absl::Status ListTasks(Edge& edge, UnaryCall& call, v1::ListTasksRequest& request) {
  if (absl::Status s = ValidateListTasks(request); !s.ok()) return s;
  absl::StatusOr<TaskSearch> search = TaskSearch::Read(request);
  if (!search.ok()) return search.status();
  const absl::StatusOr<std::string> token =
      DecodePageToken(search->Question(), request.page_token());
  if (!token.ok()) return token.status();
  std::optional<Position> position;
  if (!token->empty()) {
    position = Position::Decode(*token);
    const bool by_ids = search->filter().Ids().has_value();
    if (!position.has_value() || (position->part == Position::Part::kIds) != by_ids) {
      return absl::InvalidArgumentError("page_token: not one of ours");
    }
  }
  const size_t limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  const auto page =
      std::make_shared<Page>(*std::move(search), limit, position, edge.clock.WallMs());
  using Response = absl::StatusOr<v1::ListTasksResponse>;
  call.Ask<v1::ListTasksResponse>(
      [page](const broker::View& view) -> std::optional<Response> {
        if (!page->AddUnfinished(view)) return std::nullopt;
        return page->Take();
      },
      [page](broker::StoredTasks& stored) -> Response {
        if (absl::Status s = page->AddStored(stored); !s.ok()) return s;
        return page->Take();
      });
  return absl::OkStatus();
}

}  // namespace treadle::rpc
