#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "worker/pool/attempt_line.h"
#include "worker/pool/confirmed_starts.h"
#include "worker/pool/handler_meter.h"
#include "worker/pool/output.h"
#include "worker/pool/process/file_descriptor.h"
#include "worker/pool/process/process_pool.h"
#include "worker/pool/process/spawned_child.h"

namespace treadle::worker {

// The process pool's inside: one thread that starts the children, moves frames, and tells of what
// came of them. process_pool_loop.cc has the thread and what other threads ask of it,
// process_pool_children.cc the children's lives.
class ProcessPool::Loop {
 public:
  Loop(ProcessPoolOptions options, std::shared_ptr<const Handlers> handlers,
       std::shared_ptr<AttemptEvents> events);
  ~Loop();

  const ProcessPoolOptions& options() const { return options_; }

  // Waits until every child is ready, or one is not going to be. `cgroups`: where the children's
  // memory is bounded; none: they see to it themselves.
  absl::Status Start(std::shared_ptr<CgroupTree> cgroups);

  size_t Submit(std::span<AttemptPtr> attempts);
  void Stop(const AttemptPtr& attempt, StopReason reason);
  std::vector<AttemptPtr> TakeBack(size_t count);
  void Close();
  size_t Shutdown(std::chrono::milliseconds grace);

 private:
  using Time = std::chrono::steady_clock::time_point;

  enum class State {
    kStarting,  // it has not said that it is ready
    kIdle,
    kRunning,
    kLeaving,  // it gets nothing any more, and ends
  };

  struct Child {
    std::unique_ptr<SpawnedChild> process;
    int number = 0;
    State state = State::kStarting;
    AttemptPtr attempt;   // with kRunning
    std::string payload;  // of it: kept until its end, since it may have to begin elsewhere
    uint64_t run = 0;     // the newest
    int64_t ended = 0;    // attempts
    bool sending = false;
    // What it said found no room: until there is some, nothing more is read of it.
    std::optional<OutputEntry> unsaid;
    bool signalled = false;             // it may still be hit: it must not get another attempt
    bool told_to_stop = false;          // this attempt
    Time next_signal_at = Time::max();  // SIGKILL once it is signalled, SIGTERM before
    Time kill_at = Time::max();         // whatever it does
    Time look_at = Time::max();         // what it has left behind is being killed
    bool gone = false;                  // its process has ended, and all of its group
  };

  // Where a child is, or will be.
  struct Place {
    Child* child = nullptr;
    Time start_at = Time::min();
  };

  // The thread.
  void Run();
  void WaitForEvents();
  int WaitMs(Time now) const;
  void Handle(uint64_t key, Time now);
  void Wake();
  void ObeyStops(Time now);
  void AdvanceShutdown(Time now);
  void GiveWork(Time now);
  AttemptPtr TakeWaiting();
  void TellEnds();
  bool over() const { return shutting_down_ && children_.empty() && confirming_ == 0; }

  // The children.
  void StartChildren(Time now);
  std::unique_ptr<Cgroup> NewCgroup();
  void LeaveCgroups(absl::string_view why);
  void StartFailed(int number, const absl::Status& why, Time now);
  void EndWaiting(const AttemptResult& result);
  void Read(Child& child, Time now);
  bool TakeFrames(Child& child, Time now);
  bool Hear(Child& child, OutputEntry entry);
  void HearOn(Child& child, Time now);
  void TakeFrame(Child& child, Frame frame, Time now);
  void TakeReady(Child& child, const Frame& frame, Time now);
  void TakeResult(Child& child, Frame frame, Time now);
  void Begin(Child& child, AttemptPtr attempt, std::string payload, Time now);
  void TellToStop(Child& child, Time now);
  void SignalLate(Child& child, Time now);
  // `times`: none when they were not measured.
  void EndAttempt(Child& child, AttemptResult result, const RunTimes& times);
  void Leave(Child& child, Time now);
  void Kill(Child& child);
  void CheckExit(Child& child, Time now);
  void Exited(Child& child, const ProcessExit& exit, Time now);
  void DiedUnused(const Child& child, const ProcessExit& exit, Time now);
  AttemptResult Died(const Child& child, const ProcessExit& exit) const;
  void Watch(Child& child, int operation, bool writable);
  void WatchNoMore(const Child& child);

  const ProcessPoolOptions options_;
  const std::shared_ptr<const Handlers> handlers_;
  const std::shared_ptr<AttemptEvents> events_;
  FileDescriptor epoll_;
  FileDescriptor wake_;
  std::atomic<bool> room_{false};  // for what a child has said, there may be

  std::mutex mutex_;
  std::condition_variable changed_;  // the start has come to its end
  // All below: GUARDED_BY(mutex_).
  AttemptLine waiting_;
  int64_t running_ = 0;  // taken out of the line, and not ended
  std::vector<AttemptPtr> stops_;
  std::vector<std::pair<AttemptPtr, bool>> confirmed_;
  bool wake_for_work_ = false;  // the thread sleeps, and a child is idle
  bool closed_ = false;
  bool shut_down_ = false;
  Time shutdown_until_{};
  bool started_ = false;
  absl::Status start_;

  // All below: the thread's own.
  struct Returned {
    AttemptPtr attempt;
    std::string payload;
  };
  std::shared_ptr<CgroupTree> cgroups_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<Child>> children_;
  std::deque<Returned> returned_;  // begun, but by no child: it died first, or is to be found
  std::vector<std::pair<AttemptPtr, AttemptResult>> ends_;
  int idle_ = 0;
  int confirming_ = 0;         // attempts that wait until the broker knows of their start
  int64_t starts_failed_ = 0;  // since a child last brought an attempt to its end
  bool shutting_down_ = false;
  Time kill_all_at_ = Time::max();
  bool pidless_ = false;  // the system does not say when a child has ended: look from time to time

  std::unique_ptr<ConfirmedStarts> confirmed_starts_;
  std::thread thread_;
};

}  // namespace treadle::worker
