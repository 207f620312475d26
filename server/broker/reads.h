#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "server/broker/call_queue.h"
#include "server/broker/inbox.h"
#include "server/broker/stored_tasks.h"
#include "server/engine/types.h"
#include "server/store/store.h"

namespace treadle::broker {

// What the broker reads from its store while it runs. A read may have to wait for a disk, and the
// broker's thread must not: so reads are made on the store's thread, and what follows from them
// comes back through the inbox and happens in a later turn.
//
// Work (payloads for workers, request keys of submits) comes before questions (outcomes that
// somebody asks for). Clients take turns with their questions by what is read for them, and few
// questions are under way at a time: so one that asks for 100,000 outcomes delays others by little,
// and what was read and not sent yet has a bound.
//
// The broker's thread calls.
class Reads {
 public:
  // On the broker's thread, in a later turn.
  using Then = absl::AnyInvocable<void()>;
  // On the store's thread: must not touch the broker.
  using Read = absl::AnyInvocable<Then(StoredTasks&)>;

  // Of questions that are read one after the other and answered together.
  struct Bounds {
    int64_t questions_max;
    int64_t bytes_max;  // of what was read, until one goes beyond
  };

  // `failed` is told of the store's errors, in place of what would have followed.
  Reads(const Bounds& bounds, store::Store& store, std::shared_ptr<Inbox> inbox,
        absl::AnyInvocable<void(absl::Status)> failed);

  // These see everything that was appended before.
  void Work(Read read);
  void Ask(engine::CallId call, Read question);
  // Begins as many questions as may be under way.
  void StartQuestions();
  // Its questions that were not begun are dropped.
  void CallClosed(engine::CallId call) { questions_.CallClosed(call); }

  // The calls whose questions are not answered, each perhaps several times.
  void ForEachCall(absl::FunctionRef<void(engine::CallId)> visit) const;

  // Questions that were not begun.
  int64_t waiting() const { return questions_.size(); }

 private:
  void Begin(store::Store::Urgency urgency, Read read);
  void StartSome();

  const Bounds bounds_;
  store::Store& store_;
  const std::shared_ptr<Inbox> inbox_;
  absl::AnyInvocable<void(absl::Status)> failed_;
  // The store makes one read at a time.
  const std::shared_ptr<StoredTasks> stored_;
  CallQueue<Read> questions_;
  // The calls of those that were begun together, the oldest first, which the store reads first.
  std::deque<std::vector<engine::CallId>> under_way_;
};

}  // namespace treadle::broker
