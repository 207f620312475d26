#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/intrusive_list.h"
#include "server/engine/queue.h"

// Which runnable task goes to whom.

namespace treadle::engine {

struct Holder;
struct Taker;

struct TakerSeatTag;

// A taker's place at one line (or, for those who take every type, at one queue). It is in the turn
// of that line, or, once the taker was found without credit, in the taker's `standing` list until
// it has credit again: so a taker without credit costs nothing.
struct Seat : ListNode<TurnSeatTag>, ListNode<LineSeatTag>, ListNode<TakerSeatTag> {
  Seat(Taker& of_taker, Queue& at_queue, Line* at_line)
      : taker(of_taker), queue(at_queue), line(at_line) {}

  Taker& taker;
  Queue& queue;
  Line* const line;    // null: every type
  uint64_t since = 0;  // when it took its place in the turn: the least is the next
};

struct Subscription : ListNode<SubscriptionTag> {
  Subscription(Taker& of_taker, Queue& to_queue) : taker(of_taker), queue(to_queue) {}

  Taker& taker;
  Queue& queue;
};

// Someone who takes tasks: a worker's pool, or a poll.
struct Taker {
  explicit Taker(Holder& of_holder) : holder(of_holder) {}
  ~Taker();
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  Holder& holder;
  int32_t pool = 0;
  int32_t credit = 0;
  bool retired = false;  // takes nothing any more: its worker drains
  bool blocked = false;  // takes nothing now, whatever its credit: its worker holds enough bytes
  bool quarantined = false;        // the same, because its worker is
  std::vector<std::string> types;  // sorted; empty: every type
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  List<Seat, TakerSeatTag> seats;  // owned
  List<Seat, TurnSeatTag> standing;

  bool able() const { return credit > 0 && !blocked && !quarantined; }
  bool Takes(const std::string& type) const;
};

// Keeps track of where a runnable task and a fitting taker with credit may be together, and names
// such pairs, one task of one queue at a time in turn. Costs nothing for what is idle.
class Matching {
 public:
  explicit Matching(Timers& timers) : timers_(timers) {}

  // A taker comes (with its queues) or goes; or takes nothing any more, and stays.
  void Join(Taker& taker, const std::vector<Queue*>& queues, int64_t now_ms);
  void Leave(Taker& taker, int64_t now_ms);
  void Retire(Taker& taker, int64_t now_ms);
  // One of the line's unary leases is over.
  void EndUnaryLease(Line& line, int64_t now_ms);
  // The taker has credit again, or is no longer blocked or in quarantine.
  void BecameAble(Taker& taker);

  // A new line of a queue: its takers sit down. Or its end, when it has no tasks.
  void AddLine(Line& line, int64_t now_ms);
  void RemoveLine(Line& line);

  void AddReady(Task& task);
  void RemoveReady(Task& task);
  // The queue may have something to give: it was resumed, say.
  void Activate(Queue& queue);
  // They were found apart, which should never be: whatever was forgotten of them, Next knows them.
  void Mend(Taker& taker, Line& line);

  struct Pair {
    Task& task;
    Taker& taker;
    uint32_t queues = 1;  // that may have something to give: 2 stands for any number above 1
  };
  // The next pair, if there is any. Some of the task must then leave its line, or be given.
  std::optional<Pair> Next();
  bool idle() const { return active_.empty(); }

  // After Next has said no: asserts that there is no pair in this queue.
  void CheckNothingToGive(const Queue& queue) const;
  void CheckInvariants(const Queue& queue) const;

 private:
  std::optional<Pair> NextOf(Queue& queue);
  // Sends takers without credit out of the turn until one with credit is first. Null: none.
  Seat* FirstAble(List<Seat, TurnSeatTag>& turn);
  void AddSeat(Taker& taker, Queue& queue, Line* line, int64_t now_ms);
  void TakePlace(Seat& seat);
  void StopServing(Seat& seat, int64_t now_ms);
  // Tasks are runnable from now on, or nobody serves them: the line's timer is set, if it needs
  // one.
  void WatchUnserved(Line& line, int64_t now_ms);
  void HeadChanged(Line& line);

  Timers& timers_;
  List<Queue, ActiveQueueTag> active_;
  uint64_t places_taken_ = 0;
};

}  // namespace treadle::engine
