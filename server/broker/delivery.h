#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "server/engine/output.h"
#include "server/engine/row.h"
#include "server/engine/types.h"
#include "server/engine/view.h"

// What the broker hands to the edge, when it may be said.

namespace treadle::engine {

// A payload, a result or an error's details, with what describes them. The broker never looks
// inside either.
struct Body {
  std::string bytes;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace treadle::engine

namespace treadle::broker {

using engine::Body;
using engine::BodyPart;
using BodyPtr = engine::BodyRef;

// A task, or several of a run, with all that their payloads are.
struct LeasedRun {
  engine::Lease lease;
  BodyPart payload;
};
// For an attached worker, or the one answer to a poll.
struct Leased {
  engine::CallId call{};
  std::vector<LeasedRun> runs;
  int64_t now_ms = 0;     // the broker's clock, to turn deadlines into time left
  int64_t waited_ms = 0;  // a poll, for them
};

// A task has ended: for its session's stream, or for a call that awaits or watches it. For the
// session's stream it may be several, which have succeeded together. The row's body is null unless
// it succeeded, or failed with an error that has details.
struct OutcomeReady {
  engine::CallId call{};
  std::shared_ptr<const engine::FinishedRow> row;
};

// An awaited or watched id names no task that is known (any more). Of a cancelled one CancelDone
// says it.
struct TaskUnknown {
  engine::CallId call{};
  TaskId task;
};

struct ProgressState {
  double fraction = -1;
  std::string message;
};

// A watched task as it is now, not final.
struct TaskSeen {
  engine::CallId call{};
  std::shared_ptr<const engine::TaskView> view;
  ProgressState progress;
};

// What an attempt has said up to `next_index` is stored, or not kept. ABORTED: the lease is over.
struct OutputTaken {
  engine::CallId call{};
  engine::Token token{};
  uint64_t next_index = 0;
  absl::Status status;
};

// The stream may post again: see Broker::PostFrom.
struct ReadOn {
  engine::CallId call{};
};

// A query's answer. Given at once if it is made on the broker's thread, of what is in memory; when
// what it saw is durable if it is made on the store's.
class Answer {
 public:
  template <typename Say, typename = std::enable_if_t<!std::is_same_v<std::decay_t<Say>, Answer>>>
  Answer(Say&& say) : say_(std::forward<Say>(say)) {}  // NOLINT: as the function that it is

  void operator()() { say_(); }
  explicit operator bool() const { return static_cast<bool>(say_); }

  engine::CallId call{};  // that asked; {}: none
  int64_t bytes = 0;      // that it holds of what was read, about

 private:
  absl::AnyInvocable<void()> say_;
};

using Delivery = std::variant<engine::QueueChanged, engine::SessionOpened, engine::Submitted,
                              engine::CancelDone, engine::WorkerAttached, engine::DrainAsked,
                              engine::DrainChanged, engine::WorkersReleased, engine::StopAttempt,
                              engine::ReportDone, engine::ReportsHandled, engine::LeaseExtended,
                              engine::EndCall, engine::LettersTaken, engine::JobChanged, Leased,
                              OutcomeReady, TaskUnknown, TaskSeen, OutputTaken, ReadOn, Answer>;

// Where deliveries go. Called from the broker's thread, once for each release, in order; must not
// block.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void Release(std::vector<Delivery> deliveries) = 0;
  // So much waits to be sent that nobody should be given more who has just asked for it. Who says
  // so calls Broker::GoOn when it is over.
  virtual bool full() const { return false; }
};

}  // namespace treadle::broker
