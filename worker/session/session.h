#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"

#include "proto/support/address.h"
#include "proto/wire/disk_hung.h"
#include "proto/wire/event_queue.h"
#include "proto/wire/heartbeats.h"
#include "proto/wire/settings.h"
#include "treadle/log.h"
#include "treadle/worker.h"
#include "worker/placement/handler_stats.h"
#include "worker/pool/pool.h"
#include "worker/session/attach_stream.h"
#include "worker/session/lease_book.h"
#include "worker/session/output_box.h"
#include "worker/session/prefetch.h"
#include "worker/session/report_box.h"
#include "worker/session/stop_clock.h"

namespace treadle::worker {

struct SessionOptions {
  SessionOptions() = default;

  Address broker;
  bool http_proxy = false;
  std::string worker_id;
  std::string worker_name;
  std::map<std::string, std::string> labels;
  std::vector<std::string> queues;
  // After Drain: how long running attempts may go on before they are told to stop, ...
  std::chrono::milliseconds drain_timeout{30'000};
  // ... how long they have then before they are handed back, ...
  std::chrono::milliseconds stop_grace{5'000};
  // ... and how long the last reports may take to be acknowledged.
  std::chrono::milliseconds report_timeout{5'000};
  // Between attempts to reach the broker, doubling from the one to the other, moved at random by up
  // to half of itself. Well below the lease time, so that a broker that restarts finds its worker
  // again in time.
  std::chrono::milliseconds reconnect_min{100};
  std::chrono::milliseconds reconnect_max{2'000};
  // A broker that has not answered a heartbeat for so long is left for a new connection.
  std::chrono::milliseconds peer_silent{wire::kPeerSilentMs};
  Log log;
  // Called every Prefetch::kWindow by the thread in Serve; may call Place. May be empty.
  std::function<void()> every_window;
};

// A pool, as the broker is told of it.
struct ServedPool {
  ServedPool(Pool& pool_in, std::vector<std::string> types_in, Prefetch prefetch_in)
      : pool(&pool_in), types(std::move(types_in)), prefetch(prefetch_in) {}

  Pool* pool;
  std::vector<std::string> types;  // none: it gets no tasks
  Prefetch prefetch;
};

// What stands between the broker and the pools: keeps one Attach stream up, hands arriving tasks to
// the pools, and carries credit, starts, progress, outcomes and heartbeats the other way, many in
// one message. A lost stream is replaced, the running attempts go on meanwhile, and what the broker
// has not acknowledged is told again.
//
// The pools report to it as their AttemptEvents, which is why it is held by shared_ptr: an
// abandoned handler may outlive everything else.
class Session final : public AttemptEvents, public AttachStream::Listener {
 public:
  explicit Session(SessionOptions options);
  ~Session() override;

  // Serves the pools on the calling thread, which sends the heartbeats and never runs a handler's
  // code, until Drain has come to its end. The pools outlive the call. Once.
  //
  // OK: every attempt was reported, and every report acknowledged. INVALID_ARGUMENT, UNIMPLEMENTED,
  // UNAUTHENTICATED, PERMISSION_DENIED, FAILED_PRECONDITION: the broker refused this worker at its
  // first attach. RESOURCE_EXHAUSTED: the system has no more threads. DEADLINE_EXCEEDED: reports
  // were not acknowledged in time. CANCELLED: Abort.
  absl::Status Serve(std::vector<ServedPool> pools);

  // From now on the pools run these types, one list for each pool, in the order of Serve's. The
  // stream is replaced by one that says so. Thread-safe.
  void Place(const std::vector<std::vector<std::string>>& types);

  // What the broker shall show of the handlers, in the place of what it was told before: goes as
  // soon as reports do, and again over every new stream. Thread-safe.
  void TellHandlers(HandlerStatsList handlers);

  // Takes no more tasks, hands back those that have not begun, lets the others finish within
  // drain_timeout. Thread-safe, returns at once.
  void Drain();
  // Ends Serve without waiting for anything. Thread-safe.
  void Abort();

  // Thread-safe.
  WorkerStats Stats();

  // For the pools.
  bool Begin(const AttemptPtr& attempt) override;
  void End(const AttemptPtr& attempt, AttemptResult result) override;
  void Progress(const Attempt& attempt, double fraction, std::string_view message) override;
  bool Output(const Attempt& attempt, OutputEntry& entry,
              const std::function<void()>& room) override;
  void Warn(std::string line) override;

  // For the stream, on Serve's thread.
  void Received(v1::AttachResponse& response) override;
  void Written(bool ok) override;
  void Ended(const absl::Status& status) override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  using Lock = std::unique_lock<std::mutex>;

  // Starts are told so late, in the hope that their attempts end first.
  static constexpr std::chrono::milliseconds kStartsLate{20};

  enum class Phase {
    kServing,
    kDraining,   // what runs may finish
    kStopping,   // it was told to stop
    kReporting,  // nothing runs; the last reports are under way
    kClosing,    // the stream is being ended
    kOver,
  };

  // The loop. Step does one thing that is due, and may give up the lock meanwhile; false: nothing
  // is.
  bool Step(Lock& lock, Time now);
  Time NextWake(Time now) const;
  void TakeTypes();
  void Wake() { WakeBy(Time::min()); }
  void WakeBy(Time time);
  void Note(LogLevel level, std::string line);  // logged by the loop: a log may be slow

  // The stream. The first returns false when it has nothing to do.
  bool KeepStream(Lock& lock, Time now);
  void Connect(Lock& lock, Time now);
  void Send(Lock& lock, Time now);
  void StreamEnded(Lock& lock, Time now);
  void CancelStream(const char* why);
  Time SendDue() const;
  // When it is to say something, and by when the broker must have.
  Time HeartbeatDue() const { return sent_at_ + HeartbeatEvery(); }
  Time SilentAt() const {
    const auto answered_after = welcomed_ ? HeartbeatEvery() : std::chrono::milliseconds(0);
    return heard_at_ + answered_after + peer_silent_;
  }
  // The leases of what is arriving have begun.
  std::chrono::milliseconds HeartbeatEvery() const {
    return heartbeats_.Every(leases_.size() > 0 || !reports_.empty() || arriving_);
  }
  bool credit_due() const;
  v1::AttachRequest Hello();

  // What arrives.
  bool ReadTasks(v1::AttachResponse& response, std::vector<std::vector<AttemptPtr>>& arrived) const;
  void TakeWelcome(const v1::Welcome& welcome);
  void Enter(size_t pool, std::vector<AttemptPtr>& attempts);
  void Submit(size_t pool, std::span<AttemptPtr> attempts);
  void HandBackSurplus();
  void HearOfDisk(int64_t disk_hung_ms);
  void HearOfDrain();
  void TakeStops(const v1::AttachResponse& response);
  void TakeRefusals(const v1::AttachResponse& response);
  void TakeOutputHandled(const v1::AttachResponse& response);
  void LoseLease(uint64_t token);
  void EndLease(const Attempt& attempt, AttemptResult result);
  void CountEnd(AttemptEnd end);
  void GiveBack(const AttemptPtr& attempt);
  bool Confirmed(Lock& lock, const AttemptPtr& attempt);

  // The drain.
  bool AdvanceDrain(Lock& lock, Time now);
  void BeginDrain(Time now);
  void StopRunning(Time now);
  void GiveUpRunning();
  void EnterReporting(Time now);
  bool reports_done(Time now) const;
  Time drain_heard_by() const;

  const SessionOptions options_;
  StopClock stop_clock_;

  std::mutex mutex_;
  wire::EventQueue queue_;             // Serve waits here
  std::condition_variable confirmed_;  // a start's confirmation, or why there will be none
  // All below: GUARDED_BY(mutex_).
  WorkerStats stats_;  // without what Stats looks up
  std::vector<ServedPool> pools_;
  LeaseBook leases_;
  ReportBox reports_;
  OutputBox output_;
  HandlerStatsList handlers_;
  bool handlers_told_ = true;  // in this stream
  Phase phase_ = Phase::kServing;
  bool drain_asked_ = false;
  bool abort_asked_ = false;
  absl::Status result_;
  std::vector<std::pair<LogLevel, std::string>> notes_;
  Time wake_at_ = Time::min();  // while the loop sleeps

  std::unique_ptr<AttachStream> stream_;  // the loop's
  v1::AttachRequest hello_;
  std::optional<absl::Status> ended_;  // the stream's end
  bool welcomed_ = false;
  bool ever_welcomed_ = false;
  bool writing_ = false;
  bool writing_hello_ = false;
  bool cancelled_ = false;
  bool replace_stream_ = false;            // the types have moved
  bool replacing_ = false;                 // this stream ends for that reason
  bool broken_ = false;                    // the broker does not keep to the protocol
  std::vector<uint64_t> confirming_;       // starts that the write under way tells
  absl::flat_hash_set<uint64_t> refused_;  // tokens whose first report was refused
  Time heard_at_{};
  bool arriving_ = false;                    // a large message
  std::chrono::milliseconds peer_silent_{};  // until what comes next: longer is gone
  wire::DiskNews disk_;
  Time sent_at_{};
  Time connect_at_ = Time::min();
  Time complain_at_ = Time::min();
  bool refusal_told_ = false;  // by the last complaint
  Time begun_at_{};            // of the first start not told
  Time progress_at_{};         // of the last progress sent
  Time tick_at_{};             // of the prefetch
  std::chrono::microseconds spacing_{0};
  wire::Heartbeats heartbeats_;
  std::chrono::milliseconds backoff_;
  int64_t payload_bytes_max_;
  bool confirm_wanted_ = false;
  std::mt19937_64 random_{std::random_device()()};

  bool drain_told_ = false;  // in this stream
  uint64_t drain_sequence_ = 0;
  Time drain_told_at_{};
  Time drain_until_{};
  Time phase_until_{};
};

}  // namespace treadle::worker
