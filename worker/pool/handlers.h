#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "treadle/internal/handler.h"
#include "worker/pool/client_slot.h"
#include "worker/pool/handler_meter.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

// The handlers of a worker, by task type, with what their runs took. Fixed once a pool has started.
class Handlers {
 public:
  // False: the type has a handler already.
  bool Add(std::string_view type, Handler handler);
  // The same, for a handler that is a coroutine. In pools that run none, each run has a loop of its
  // own.
  bool AddCoroutine(std::string_view type, std::shared_ptr<const CoroutineHandler> handler);
  // nullptr: none.
  const Handler* Find(std::string_view type) const;
  // nullptr: none, or it is no coroutine.
  std::shared_ptr<const CoroutineHandler> FindCoroutine(std::string_view type) const;
  // The type's name, for as long as this lives. nullptr: no such handler.
  const std::string* NameOf(std::string_view type) const;
  // nullptr: no such handler. Thread-safe.
  HandlerMeter* MeterOf(std::string_view type) const;
  // Around each call of a handler; may be empty. Before a pool has started.
  using Around = std::function<void(TaskContext&, absl::FunctionRef<absl::Status()>)>;
  void SetAround(Around around) { around_ = std::move(around); }
  const Around& around() const { return around_; }
  // TaskContext::client; may be empty. Before a pool has started.
  void SetConnectClient(ClientSlot::Connect connect) {
    client_ = std::make_unique<ClientSlot>(std::move(connect));
  }
  ClientSlot& client() const { return *client_; }
  // In alphabetical order.
  std::vector<std::string> Types() const;

 private:
  struct Entry {
    std::string type;
    Handler handler;
    std::shared_ptr<const CoroutineHandler> coroutine;
    std::unique_ptr<HandlerMeter> meter = std::make_unique<HandlerMeter>();
  };
  const Entry* FindEntry(std::string_view type) const;

  bool Enter(std::string_view type, Entry entry);

  absl::flat_hash_map<std::string, std::unique_ptr<const Entry>> entries_;
  Around around_;
  std::unique_ptr<ClientSlot> client_ = std::make_unique<ClientSlot>(nullptr);
};

// Finds the attempt's handler and runs it on this thread. Everything that it may do becomes a
// result: no handler, an exception, and what a handler that was told to stop returned. The attempt
// has begun; telling of its end is the caller's.
AttemptResult RunHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events);

// The two halves of it. What the handler itself says:
AttemptResult CallHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events);
// and that, seen in the light of why the attempt was told to stop.
AttemptResult AfterStop(const Attempt& attempt, AttemptResult result);
// "this worker has no handler for type ..."
AttemptResult HandlerNotFound(const Handlers& handlers, const std::string& type);

}  // namespace treadle::worker
