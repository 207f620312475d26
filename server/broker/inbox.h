#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "server/broker/broker.h"
#include "server/store/store.h"

namespace treadle::broker {

// Where other threads leave word for the broker's: requests, syncs that have returned, the wish to
// stop. Any thread posts; the broker's thread takes.
class Inbox {
 public:
  Inbox(int64_t requests_max, int64_t bytes_max);

  // Takes all of them, or none: `requests` is then as it was. RESOURCE_EXHAUSTED: full.
  // UNAVAILABLE: closed. CallClosed is taken even when full: a call that cannot end would hold what
  // it has for ever, and there are no more of them than calls.
  absl::Status Post(std::vector<Request>&& requests);
  // From now on Post refuses with UNAVAILABLE.
  void Close();
  // A sync has returned. Errors stay: nothing that comes later can make up for them.
  void Synced(absl::StatusOr<store::Sequence> upto);

  // The next requests, in order, `max` at most; empty: there are none. They live until Take is
  // called again. The broker's thread only.
  absl::Span<Request> Take(size_t max);
  // The latest word of Synced; 0: none yet.
  absl::StatusOr<store::Sequence> synced() const;
  bool closed() const;

  enum class For { kSync, kAnything };
  // Waits until a sync returns that the caller, who knows of `seen`, has not heard of; also until
  // there is a request or the inbox is closed; or `timeout_ms` is over.
  void Wait(std::optional<int64_t> timeout_ms, store::Sequence seen, For what);

 private:
  const int64_t requests_max_;
  const int64_t bytes_max_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::vector<Request>> posted_;
  int64_t requests_ = 0;  // in posted_
  int64_t bytes_ = 0;
  absl::StatusOr<store::Sequence> synced_ = store::Sequence{0};
  bool closed_ = false;
  bool waiting_ = false;  // the broker's thread sleeps: wake it

  // The broker's thread's own: what it took at once, and how far it has come.
  std::vector<std::vector<Request>> taken_;
  size_t batch_ = 0;
  size_t next_ = 0;
};

}  // namespace treadle::broker
