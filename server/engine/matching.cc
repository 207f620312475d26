#include "server/engine/matching.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"

namespace treadle::engine {
namespace {

List<Seat, TurnSeatTag>& TurnOf(Seat& seat) {
  return seat.line == nullptr ? seat.queue.any_turn : seat.line->turn;
}

}  // namespace

bool Taker::Takes(const std::string& type) const {
  return types.empty() || std::binary_search(types.begin(), types.end(), type);
}

Taker::~Taker() {
  while (!seats.empty()) delete &seats.front();
}

void Matching::Join(Taker& taker, const std::vector<Queue*>& queues, int64_t now_ms) {
  for (Queue* const queue : queues) {
    taker.subscriptions.push_back(std::make_unique<Subscription>(taker, *queue));
    ++queue->subscribers;
    if (taker.types.empty()) {
      queue->of_every.PushBack(*taker.subscriptions.back());
      queue->served.Note(now_ms, queue->ServedForTrail());
      AddSeat(taker, *queue, nullptr, now_ms);
      continue;
    }
    queue->by_type.PushBack(*taker.subscriptions.back());
    queue->served.Note(now_ms, queue->ServedForTrail());
    for (const std::string& type : taker.types) {
      const auto line = queue->lines.find(type);
      if (line != queue->lines.end()) {
        AddSeat(taker, *queue, line->second.get(), now_ms);
      }
    }
  }
}

void Matching::Leave(Taker& taker, int64_t now_ms) {
  Retire(taker, now_ms);
  while (!taker.seats.empty()) {
    Seat* const seat = &taker.seats.front();
    Line* const line = seat->line;
    Queue& queue = seat->queue;
    delete seat;  // leaves its lists by itself
    if (line == nullptr) continue;
    if (line->turn.empty()) queue.served_lines.Remove(*line);
    if (line->seats.empty()) line->named.Note(now_ms, 0);
  }
  for (; !taker.subscriptions.empty(); taker.subscriptions.pop_back()) {
    Subscription& subscription = *taker.subscriptions.back();
    subscription.Unlink();
    --subscription.queue.subscribers;
    subscription.queue.served.Note(now_ms, subscription.queue.ServedForTrail());
  }
}

void Matching::Retire(Taker& taker, int64_t now_ms) {
  if (std::exchange(taker.retired, true)) return;
  for (Seat& seat : taker.seats) StopServing(seat, now_ms);
}

void Matching::StopServing(Seat& seat, int64_t now_ms) {
  if (seat.line != nullptr) {
    if (--seat.line->named_servers > 0) return;
    seat.line->named_left_ms = now_ms;
    return WatchUnserved(*seat.line, now_ms);
  }
  Queue& queue = seat.queue;
  if (--queue.every_servers > 0) return;
  queue.every_left_ms = now_ms;
  if (queue.config.fail_unserved_after_ms == 0) return;
  for (size_t i = 0; i < queue.ready_lines.size(); ++i) {
    WatchUnserved(*queue.ready_lines[i].item, now_ms);
  }
}

void Matching::EndUnaryLease(Line& line, int64_t now_ms) {
  if (--line.unary_leases > 0) return;
  line.named_left_ms = now_ms;
  WatchUnserved(line, now_ms);
}

// It is not cleared when somebody comes: it may fire in vain.
void Matching::WatchUnserved(Line& line, int64_t now_ms) {
  const int64_t after_ms = line.queue.config.fail_unserved_after_ms;
  if (after_ms == 0 || line.ready.empty() || line.served()) return;
  if (timers_.DueOf(line) == kNever) timers_.Set(line, now_ms + after_ms);
}

void Matching::AddSeat(Taker& taker, Queue& queue, Line* line, int64_t now_ms) {
  Seat* const seat = new Seat(taker, queue, line);  // owned by taker.seats
  taker.seats.PushBack(*seat);
  if (!taker.retired) ++(line != nullptr ? line->named_servers : queue.every_servers);
  if (line != nullptr) {
    line->seats.PushBack(*seat);
    line->named.Note(now_ms, 1);
  }
  if (taker.able()) {
    TakePlace(*seat);
  } else {
    taker.standing.PushBack(*seat);
  }
}

void Matching::TakePlace(Seat& seat) {
  seat.since = ++places_taken_;
  TurnOf(seat).PushBack(seat);
  if (seat.line == nullptr) {
    if (!seat.queue.ready_lines.empty()) Activate(seat.queue);
  } else if (!seat.line->ready.empty()) {
    seat.queue.served_lines.Set(*seat.line, seat.line->ready.top_key());
    Activate(seat.queue);
  }
}

void Matching::BecameAble(Taker& taker) {
  if (!taker.able()) return;
  while (!taker.standing.empty()) TakePlace(taker.standing.PopFront());
}

void Matching::AddLine(Line& line, int64_t now_ms) {
  for (Subscription& subscription : line.queue.by_type) {
    if (subscription.taker.Takes(*line.type)) {
      AddSeat(subscription.taker, line.queue, &line, now_ms);
    }
  }
}

void Matching::RemoveLine(Line& line) {
  TREADLE_ASSERT(line.ready.empty());
  timers_.Clear(line);
  while (!line.seats.empty()) delete &line.seats.front();
}

void Matching::HeadChanged(Line& line) {
  Queue& queue = line.queue;
  if (line.ready.empty()) {
    queue.ready_lines.Remove(line);
    queue.served_lines.Remove(line);
    return;
  }
  queue.ready_lines.Set(line, line.ready.top_key());
  if (!line.turn.empty()) queue.served_lines.Set(line, line.ready.top_key());
}

void Matching::AddReady(Task& task) {
  Line& line = *task.line;
  const bool was_empty = line.ready.empty();
  line.ready.Set(task, ReadyKeyOf(task, line.queue.config.discipline));
  if (&line.ready.top() == &task) HeadChanged(line);
  if (was_empty) WatchUnserved(line, task.waits_since_ms);
  Activate(line.queue);
}

void Matching::RemoveReady(Task& task) {
  Line& line = *task.line;
  const bool was_head = &line.ready.top() == &task;
  line.ready.Remove(task);
  if (was_head) HeadChanged(line);
}

void Matching::Activate(Queue& queue) {
  if (!queue.linked() && queue.may_dispatch()) active_.PushBack(queue);
}

void Matching::Mend(Taker& taker, Line& line) {
  Queue& queue = line.queue;
  BecameAble(taker);
  if (!line.turn.empty()) queue.served_lines.Set(line, line.ready.top_key());
  Activate(queue);
}

std::optional<Matching::Pair> Matching::Next() {
  while (!active_.empty()) {
    Queue& queue = active_.PopFront();
    if (!queue.may_dispatch()) continue;
    std::optional<Pair> pair = NextOf(queue);
    if (!pair) continue;
    pair->queues = active_.empty() ? 1 : 2;
    active_.PushBack(queue);
    return pair;
  }
  return std::nullopt;
}

std::optional<Matching::Pair> Matching::NextOf(Queue& queue) {
  Seat* const any = FirstAble(queue.any_turn);
  for (;;) {
    // Who takes every type fits the best of all heads; the others only the best they named.
    if (any != nullptr ? queue.ready_lines.empty() : queue.served_lines.empty())
      return std::nullopt;
    Line& line = any != nullptr ? queue.ready_lines.top() : queue.served_lines.top();
    Seat* const named = FirstAble(line.turn);
    if (named == nullptr) {
      queue.served_lines.Remove(line);
      if (any == nullptr) continue;
    }
    Seat* seat = any;
    if (named != nullptr && (any == nullptr || named->since < any->since)) seat = named;
    List<Seat, TurnSeatTag>::Remove(*seat);
    seat->since = ++places_taken_;
    TurnOf(*seat).PushBack(*seat);
    return Pair{line.ready.top(), seat->taker};
  }
}

Seat* Matching::FirstAble(List<Seat, TurnSeatTag>& turn) {
  while (!turn.empty()) {
    Seat& seat = turn.front();
    if (seat.taker.able()) return &seat;
    turn.PopFront();
    seat.taker.standing.PushBack(seat);
  }
  return nullptr;
}

void Matching::CheckNothingToGive(const Queue& queue) const {
  TREADLE_ASSERT(!queue.linked());
  if (!queue.may_dispatch() || queue.ready_lines.empty()) return;
  for (const Seat& seat : queue.any_turn) TREADLE_ASSERT(!seat.taker.able());
  for (const Subscription& subscription : queue.by_type) {
    if (!subscription.taker.able()) continue;
    for (size_t i = 0; i < queue.ready_lines.size(); ++i) {
      TREADLE_ASSERT(!subscription.taker.Takes(*queue.ready_lines[i].item->type));
    }
  }
}

void Matching::CheckInvariants(const Queue& queue) const {
  queue.ready_lines.CheckInvariants();
  queue.served_lines.CheckInvariants();
  int64_t servers = 0;
  for (const Subscription& one : queue.of_every) servers += one.taker.retired ? 0 : 1;
  TREADLE_ASSERT(queue.every_servers == servers);
  uint64_t last = 0;
  for (const Seat& seat : queue.any_turn) {
    TREADLE_ASSERT(seat.line == nullptr && &seat.queue == &queue && seat.since > last);
    last = seat.since;
  }
  for (const auto& [type, line] : queue.lines) {
    line->ready.CheckInvariants();
    TREADLE_ASSERT(*line->type == type && &line->queue == &queue);
    TREADLE_ASSERT(queue.ready_lines.Contains(*line) == !line->ready.empty());
    TREADLE_ASSERT(queue.served_lines.Contains(*line) ==
                   (!line->ready.empty() && !line->turn.empty()));
    if (!line->ready.empty()) {
      const ReadyKey& head = line->ready.top_key();
      const ReadyKey& known = queue.ready_lines.KeyOf(*line);
      TREADLE_ASSERT(!(head < known) && !(known < head));
    }
    servers = 0;
    for (const Seat& seat : line->seats) servers += seat.taker.retired ? 0 : 1;
    TREADLE_ASSERT(line->named_servers == servers);
    last = 0;
    for (const Seat& seat : line->turn) {
      TREADLE_ASSERT(seat.line == line.get() && seat.taker.Takes(type) && seat.since > last);
      last = seat.since;
    }
  }
}

}  // namespace treadle::engine
