#include "server/engine/dead_letters.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <tuple>

#include "proto/support/assert.h"
#include "server/engine/history.h"
#include "server/engine/letter_fingerprint.h"

namespace treadle::engine {
namespace {

// What the broker reads at once: it holds the payloads until the turn that has them is written.
constexpr size_t kMovesAtOnce = 1'000;
constexpr uint64_t kMovedBytesAtOnce = uint64_t{8} << 20;

// Beside its texts and its payload.
constexpr int64_t kLetterBytes = 200;

int64_t BytesOf(const DeadLetterRow& letter) {
  size_t bytes = letter.payload_bytes + letter.error.message.size() + letter.request_key.size();
  for (const FailedAttempt& attempt : letter.failed) bytes += attempt.error.message.size();
  return kLetterBytes + static_cast<int64_t>(bytes);
}

DeadLetterRow LetterOf(const FinishedRow& finished) {
  DeadLetterRow letter;
  letter.queue = finished.queue;
  letter.id = finished.id;
  letter.type = finished.type;
  letter.priority = finished.priority;
  letter.attempts = finished.attempts;
  letter.max_attempts = finished.max_attempts;
  letter.submitted_at_ms = finished.submitted_at_ms;
  letter.deadline_at_ms = finished.deadline_at_ms;
  letter.finished_at_ms = finished.finished_at_ms;
  letter.payload_bytes = finished.payload_bytes;
  letter.request_key = finished.request_key;
  letter.failed = finished.failed;
  letter.error = finished.error;
  letter.bytes = BytesOf(letter);
  return letter;
}

}  // namespace

LetterBox& DeadLetters::BoxOf(Queue& queue) {
  if (queue.letters == nullptr) queue.letters = std::make_unique<LetterBox>(queue);
  return *queue.letters;
}

void DeadLetters::Add(Turn& turn, const Task& task, FinishedRow& finished) {
  TREADLE_ASSERT(finished.state == TaskState::kFailed && task.count == 1);
  Queue& queue = task.queue();
  if (queue.config.dead_letters.max_tasks == 0) return;
  LetterBox& box = BoxOf(queue);
  DeadLetterRow letter = LetterOf(finished);
  letter.number = s_.NextLetter();
  letter.dead_since_ms = turn.now_ms();
  letter.group = GroupFor(box, *letter.type, letter.error);
  if (box.count == 0) {
    box.first = letter.number;
    box.oldest_since_ms = turn.now_ms();
  }
  box.last = letter.number;
  ++box.count;
  box.bytes += letter.bytes;

  LetterBox::Group& group = box.groups[letter.group];
  ++group.count;
  group.bytes += letter.bytes;
  if (letter.group != kOtherLetters) {
    group.type = letter.type;
    group.error_type = letter.error.type;
    group.error_message = Cut(letter.error.message, kLatestMessageBytes);
  }
  group.last_at_ms = letter.finished_at_ms;
  if (group.first_at_ms == 0) group.first_at_ms = group.last_at_ms;
  group.last = letter.id;
  Changed(box, letter.group);
  Retime(box);

  finished.task_row_stays = true;
  LetterMove move{queue.name, letter.number, task.row(), task.run, task.payload_bytes};
  if (task.run != nullptr) {
    ++task.run->moving;
    move.row_bytes = task.run->bytes();
  }
  turn.Put(LetterMoveRow{letter.id, move.queue, move.letter, move.row});
  s_.letter_moves.emplace(letter.id, std::move(move));
  turn.Put(std::move(letter));
}

uint64_t DeadLetters::GroupFor(LetterBox& box, std::string_view type, const TaskError& error) {
  const uint64_t fingerprint = FingerprintOf(type, error);
  if (box.groups.contains(fingerprint)) return fingerprint;
  const bool full =
      static_cast<int64_t>(box.groups.size()) >= s_.options.letter_groups_per_queue_max ||
      s_.letter_groups >= s_.options.letter_groups_max;
  const uint64_t group = full ? kOtherLetters : fingerprint;
  if (box.groups.try_emplace(group).second) ++s_.letter_groups;
  return group;
}

void DeadLetters::Changed(LetterBox& box, uint64_t fingerprint) {
  if (std::exchange(box.groups[fingerprint].has_news, true)) return;
  changed_.emplace_back(box.queue.name, fingerprint);
}

void DeadLetters::WriteChanged(Turn& turn) {
  for (const auto& [name, fingerprint] : std::exchange(changed_, {})) {
    // What had news may have gone since, with its queue.
    const Queue* const queue = s_.queues.Find(*name);
    if (queue == nullptr || queue->letters == nullptr) continue;
    const auto found = queue->letters->groups.find(fingerprint);
    if (found == queue->letters->groups.end() || !found->second.has_news) continue;
    found->second.has_news = false;
    found->second.stored = true;
    turn.Put(LetterGroupRow{name, fingerprint, found->second});
  }
}

void DeadLetters::PolicyChanged(Queue& queue) {
  if (queue.letters != nullptr) Retime(*queue.letters);
}

bool DeadLetters::IsOver(const LetterBox& box) const {
  const DeadLetterPolicy& policy = box.queue.config.dead_letters;
  return box.count > policy.max_tasks || box.bytes > policy.max_bytes;
}

void DeadLetters::Retime(LetterBox& box) {
  int64_t due_ms = box.oldest_since_ms + box.queue.config.dead_letters.ttl_ms;
  if (IsOver(box)) due_ms = std::min(due_ms, s_.now_ms);
  s_.timers.Set(box, box.reading != 0 ? kNever : due_ms);
}

int64_t DeadLetters::NextDue() const {
  return moving_.empty() && !s_.letter_moves.empty() ? s_.now_ms : kNever;
}

void DeadLetters::Due(Turn& turn) {
  LetterMovesDue due;
  uint64_t bytes = 0;
  for (const auto& [id, move] : s_.letter_moves) {
    // Tasks of one run follow one another, and their row is read once.
    const bool read_already = !due.moves.empty() && due.moves.back().row == move.row;
    if (due.moves.size() == kMovesAtOnce || (!read_already && bytes >= kMovedBytesAtOnce)) break;
    if (!read_already) bytes += move.row_bytes;
    due.moves.push_back({id, move.row});
    moving_.push_back(id);
  }
  turn.Say(Durability::kMemory, std::move(due));
}

void DeadLetters::Apply(Turn& turn, MoveDeadTasks&& command) {
  auto row = command.rows.begin();
  for (const TaskId id : std::exchange(moving_, {})) {
    const bool has_row = row != command.rows.end() && row->id == id;
    TaskRow* const found = has_row ? &*row++ : nullptr;
    const auto move = s_.letter_moves.find(id);
    if (move == s_.letter_moves.end()) continue;  // dropped meanwhile
    if (found != nullptr) turn.Put(DeadTaskRow{std::move(*found), move->second.letter});
    EndMove(turn, move);
  }
}

void DeadLetters::EndMove(Turn& turn, std::map<TaskId, LetterMove>::iterator move) {
  turn.Erase(LetterMoveKey{move->first});
  TaskRun* const run = move->second.run.get();
  if (run == nullptr) {
    turn.Erase(TaskKey{move->first});
  } else if (--run->moving; run->over()) {
    turn.Erase(TaskKey{run->first});
    if (run->has_row) turn.Erase(RunKey{run->first});
  }
  s_.letter_moves.erase(move);
}

void DeadLetters::Due(Turn& turn, LetterBox& box) {
  box.reading = BeginReading();
  box.read_before = s_.counters.next_letter;
  box.read_at_ms = turn.now_ms();
  turn.Say(Durability::kMemory, SweepDue{*box.queue.name, box.reading, box.first});
}

uint64_t DeadLetters::BeginReading() {
  under_way_.insert(++readings_);
  return readings_;
}

void DeadLetters::EndReading(uint64_t reading) {
  under_way_.erase(reading);
  while (!gone_by_.empty() &&
         (under_way_.empty() || gone_by_.front().first < *under_way_.begin())) {
    gone_.erase(gone_by_.front().second);
    gone_by_.pop_front();
  }
}

void DeadLetters::Drop(Turn& turn, const DeadLetterRow& letter) {
  Queue* const queue = s_.queues.Find(*letter.queue);
  TREADLE_ASSERT(queue != nullptr && queue->letters != nullptr);
  Remove(turn, *queue->letters, letter);
  Settle(*queue->letters);
}

void DeadLetters::Apply(Turn& turn, const SweepDeadLetters& command) {
  Queue* const queue = s_.queues.Find(command.queue);
  LetterBox* const box = queue == nullptr ? nullptr : queue->letters.get();
  // Of a queue that was deleted meanwhile, and perhaps made anew.
  if (box == nullptr || box->reading != command.reading) return EndReading(command.reading);
  box->reading = 0;
  const int64_t ttl_ms = queue->config.dead_letters.ttl_ms;
  auto letter = command.letters.begin();
  for (; letter != command.letters.end(); ++letter) {
    if (IsGone(*letter)) continue;
    if (!IsOver(*box) && letter->dead_since_ms + ttl_ms > turn.now_ms()) break;
    Remove(turn, *box, *letter);
  }
  EndReading(command.reading);
  if (letter != command.letters.end()) {
    box->first = letter->number;
    box->oldest_since_ms = letter->dead_since_ms;
  } else if (!command.end) {
    box->first = command.letters.back().number + 1;
    box->oldest_since_ms = command.letters.back().dead_since_ms;
  } else if (box->last >= box->read_before) {
    box->first = box->read_before;
    box->oldest_since_ms = box->read_at_ms;
  } else {  // whatever was counted beyond what was found is not there
    while (!box->groups.empty()) DropGroup(turn, *box, box->groups.begin()->first);
  }
  Settle(*box);
}

void DeadLetters::Settle(LetterBox& box) {
  if (!box.groups.empty()) return Retime(box);
  s_.timers.Clear(box);
  box.queue.letters = nullptr;
}

void DeadLetters::Remove(Turn& turn, LetterBox& box, const DeadLetterRow& letter) {
  if (!under_way_.empty()) {
    gone_.insert(letter.number);
    gone_by_.emplace_back(readings_, letter.number);
  }
  turn.Erase(DeadLetterKey{letter.queue, letter.number});
  if (const auto move = s_.letter_moves.find(letter.id); move != s_.letter_moves.end()) {
    EndMove(turn, move);
  } else {
    turn.Erase(DeadTaskKey{letter.id});
  }
  const auto found = box.groups.find(letter.group);
  if (found == box.groups.end()) return;
  LetterBox::Group& group = found->second;
  --group.count;
  group.bytes -= letter.bytes;
  --box.count;
  box.bytes -= letter.bytes;
  if (group.count == 0) return DropGroup(turn, box, letter.group);
  Changed(box, letter.group);
}

void DeadLetters::DropGroup(Turn& turn, LetterBox& box, uint64_t fingerprint) {
  const auto found = box.groups.find(fingerprint);
  const LetterBox::Group& group = found->second;
  box.count -= group.count;
  box.bytes -= group.bytes;
  if (group.stored) turn.Erase(LetterGroupKey{box.queue.name, fingerprint});
  box.groups.erase(found);
  --s_.letter_groups;
}

bool DeadLetters::AddLoaded(Queue& queue, const LetterGroupRow& row) {
  LetterBox& box = BoxOf(queue);
  LetterBox::Group group;
  static_cast<LetterGroup&>(group) = row.group;
  group.stored = true;
  if (!box.groups.emplace(row.fingerprint, std::move(group)).second) return false;
  ++s_.letter_groups;
  box.count += row.group.count;
  box.bytes += row.group.bytes;
  return true;
}

bool DeadLetters::AddLoaded(const LetterMoveRow& row, std::shared_ptr<TaskRun> run,
                            uint64_t row_bytes) {
  LetterMove move{row.queue, row.letter, row.row, std::move(run), row_bytes};
  if (move.run != nullptr) ++move.run->moving;
  return s_.letter_moves.emplace(row.id, std::move(move)).second;
}

void DeadLetters::FinishLoad() {
  for (const auto& [name, queue] : s_.queues.all()) {
    if (queue->letters == nullptr) continue;
    LetterBox& box = *queue->letters;
    int64_t oldest_ms = kNever;
    for (const auto& [fingerprint, group] : box.groups) {
      oldest_ms = std::min(oldest_ms, s_.Moment(group.first_at_ms, /*is_date=*/true));
    }
    box.oldest_since_ms = oldest_ms;
    Retime(box);
  }
}

std::optional<MovingLetter> DeadLetters::FindMoving(TaskId dead) const {
  const auto found = s_.letter_moves.find(dead);
  if (found == s_.letter_moves.end()) return std::nullopt;
  const LetterMove& move = found->second;
  return MovingLetter{move.queue, move.letter, move.row};
}

std::vector<LetterGroupView> ListLetterGroups(const State& state, std::string_view queue,
                                              size_t skip, size_t limit) {
  std::vector<std::tuple<int64_t, const Queue*, uint64_t>> all;
  const auto add = [&all](const Queue& one) {
    if (one.letters == nullptr) return;
    for (const auto& [fingerprint, group] : one.letters->groups) {
      all.emplace_back(-group.count, &one, fingerprint);
    }
  };
  if (queue.empty()) {
    for (const auto& [name, one] : state.queues.all()) add(*one);
  } else if (const Queue* const one = state.queues.Find(queue)) {
    add(*one);
  }
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), skip + limit));
  std::partial_sort(all.begin(), end, all.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), *std::get<1>(a)->name, std::get<2>(a)) <
           std::tie(std::get<0>(b), *std::get<1>(b)->name, std::get<2>(b));
  });
  std::vector<LetterGroupView> views;
  for (size_t i = skip; i < all.size() && views.size() < limit; ++i) {
    const auto& [count, one, fingerprint] = all[i];
    views.push_back({one->name, fingerprint, one->letters->groups.at(fingerprint)});
  }
  return views;
}

}  // namespace treadle::engine
