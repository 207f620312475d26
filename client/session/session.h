#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "client/future/callback_thread.h"
#include "client/future/future_state.h"
#include "client/ledger/ledger.h"
#include "client/session/channel_questions.h"
#include "client/session/reconnect_backoff.h"
#include "client/session/session_stream.h"

#include "proto/wire/disk_hung.h"
#include "proto/wire/event_queue.h"
#include "proto/wire/heartbeats.h"
#include "treadle/client.h"

namespace treadle::client {

// A client's session with its broker. Users' threads leave what they want in the inbox; one thread
// owns the ledger and the stream, reads what arrives, and does the rest: whenever no message is
// being written it puts all that is new into the next one. So a lone submit leaves at once, and
// messages grow by themselves under load. The first submit or attach opens the session: who only
// asks costs the broker none.
//
// Methods may be called from any thread.
class Session final : public FutureHome, private StreamEvents {
 public:
  // `options` outlives it.
  Session(const ClientOptions& options, std::shared_ptr<grpc::Channel> channel);
  // Shuts down.
  ~Session();

  // Waits for room in the window.
  FutureStateRef Submit(EncodedTask task, SubmitTraits traits);
  // Many, in this order; those that find no room in time end with that.
  std::vector<FutureStateRef> SubmitAll(std::vector<std::pair<EncodedTask, SubmitTraits>> tasks);
  // One in two steps, for who must not wait. Takes room for a task of so many bytes, or a
  // place in line for it, and calls `then` when it is there: at once, or later on the callbacks'
  // thread. Gives the name of either. After Shutdown there is room at once.
  uint64_t AwaitRoom(int64_t bytes, absl::AnyInvocable<void()> then);
  // Of these bytes, in room that is there.
  FutureStateRef SubmitInRoom(EncodedTask task, SubmitTraits traits);
  // In its place: the room, or the place in line, is given up.
  void GiveBackRoom(uint64_t name, int64_t bytes);
  // RESOURCE_EXHAUSTED, in the words for users.
  absl::Status WindowFull();
  FutureStateRef Attach(TaskId id);
  // Until every submit is answered and every cancel is written. UNAVAILABLE: shut down before.
  absl::Status Flush(Timeout timeout);
  // A number for futures that belong together.
  uint32_t NewGroup() { return next_group_.fetch_add(1, std::memory_order_relaxed); }
  // The futures of one group that are not done.
  std::vector<FutureStateRef> PendingOf(uint32_t group);
  // Whether there are any, which costs the session's thread nothing.
  bool HasPending(uint32_t group);
  // Cancels them; those that end as cancelled end with `reason`.
  void GiveUp(uint32_t group, absl::Status reason);
  ClientStats Stats();
  // For one reader of a task's output. Does not open the session.
  std::unique_ptr<OutputCalls> NewOutputCalls() { return questions_->NewOutputCalls(); }
  void Shutdown();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Whoever asks waits for `answered`.
  struct GroupQuestion {
    uint32_t group = 0;
    bool list = false;  // name them
    bool any = false;
    std::vector<FutureStateRef> pending;
    bool answered = false;
  };

  // What others want of the session's thread.
  struct Inbox {
    std::vector<FutureStateRef> submits;
    std::vector<FutureStateRef> attaches;
    std::vector<FutureStateRef> cancels;
    std::vector<GroupQuestion*> questions;
    std::vector<std::pair<uint32_t, absl::Status>> given_up;
    bool answers_wanted = false;  // the broker's, at once
    bool stop = false;

    // Anything but submits, which can wait until a message can be written.
    bool IsUrgent() const;
  };

  // What the stream has told.
  struct Arrivals {
    std::vector<std::unique_ptr<IncomingMessage>> messages;
    bool read_paused = false;
    bool written = false;
    bool broken = false;
    std::optional<absl::Status> ended;
  };

  // Users' threads.
  void RequestCancel(FutureStateRef state) override;
  void RequestAnswer() override;
  // REQUIRES: mutex_ is held. Somebody waits for what only the broker's answers bring.
  void WantAnswers();
  void Ask(GroupQuestion& question);
  // In line for room in the window.
  struct InLine {
    uint64_t name = 0;
    int64_t bytes = 0;
    absl::AnyInvocable<void()> then;
  };

  FutureStateRef NewState(EncodedTask task, SubmitTraits traits);
  // REQUIRES: mutex_ is held; WakeForSubmits follows.
  FutureStateRef Enter(FutureStateRef state, int64_t bytes);
  void WakeForSubmits(std::unique_lock<std::mutex> lock);
  // Reserves room for those in line, as far as there is some: whom to call.
  std::vector<absl::AnyInvocable<void()>> ServeLine();
  absl::Status WindowFullLocked() const;
  bool WaitForRoom(std::unique_lock<std::mutex>& lock, int64_t bytes);
  bool HasRoom(int64_t bytes) const;
  TimePoint Since() const;

  // The session's thread.
  void Run();
  bool OnMessage(std::unique_ptr<IncomingMessage> message) override;
  void OnWritten() override;
  void OnBroken() override;
  void OnEnded(absl::Status status) override;
  void WaitForWork(Inbox& inbox);
  TimePoint NextTimer() const;
  // When it is to say something, and by when the broker must have.
  TimePoint HeartbeatDue() const { return last_written_ + heartbeats_.Every(waits_for_tasks()); }
  TimePoint SilentAt() const {
    if (stream_state_ == StreamState::kOpening) return last_heard_ + peer_silent_;
    return std::max(last_heard_, waits_since_) + heartbeats_.Every(waits_for_tasks()) +
           peer_silent_;
  }
  bool waits_for_tasks() const { return ledger_.pending() > 0; }
  bool CanWrite() const { return stream_state_ == StreamState::kOpen && !writing_; }
  void TakeWork(Inbox& inbox, Effects& effects);
  void TakeArrivals(Effects& effects);
  void Answer(const std::vector<GroupQuestion*>& questions);
  void HandleMessage(v1::SessionResponse& message, Effects& effects);
  void HearOfDisk(int64_t disk_hung_ms, Effects& effects);
  void HandleStreamEnd(absl::Status status, Effects& effects);
  bool IsForGood(const absl::Status& status) const;
  void Release(Effects& effects);
  void Proceed(Effects& effects);
  void ProceedToEnd(Effects& effects);
  void WantStream();
  void BeginAlone();
  bool MayGiveUp() const { return options_.give_up_after.count() > 0; }
  void GiveUpIfDue(TimePoint now, Effects& effects);
  void OpenStream();
  void BreakIfHopeless(TimePoint now);
  void BreakStream(absl::Status reason);
  void WriteNext(Effects& effects);
  // Nobody waits for room that answers would make, and there is enough of it.
  bool AnswersMayWait();
  void Write(std::string message);

  const ClientOptions& options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::shared_ptr<ChannelQuestions> questions_;
  std::optional<CallbackThread> callbacks_;
  std::atomic<uint32_t> next_group_{1};

  wire::EventQueue queue_;  // the session's thread waits here
  std::mutex mutex_;
  std::condition_variable progress_;  // users' threads: for room, for Flush
  // Protected by mutex_.
  Inbox inbox_;
  bool wants_submits_ = false;  // the session's thread sleeps, and could do something with them
  bool closed_ = false;
  bool ended_ = false;        // the session's thread answers nothing more
  int64_t window_tasks_ = 0;  // submits not answered
  int64_t window_bytes_ = 0;
  int64_t reserved_tasks_ = 0;  // room for who has been in line, and has not submitted yet
  int64_t reserved_bytes_ = 0;
  std::deque<InLine> line_;
  uint64_t last_room_ = 0;
  int64_t submitted_ = 0;
  ClientStats told_;           // counted_, and what was taken from the inbox since; for Stats
  bool cancels_left_ = false;  // taken from the inbox and not written
  int waiters_ = 0;            // on progress_

  // The session's thread alone.
  ClientStats counted_;
  Arrivals arrivals_;
  enum class StreamState { kNone, kOpening, kOpen, kClosing };
  Ledger ledger_;
  std::unique_ptr<SessionStream> stream_;
  StreamState stream_state_ = StreamState::kNone;
  bool writing_ = false;
  bool writing_cancels_ = false;
  bool cancels_left_told_ = false;  // to cancels_left_
  bool stream_wanted_ = false;      // something was submitted or attached
  bool was_open_ = false;           // some stream was
  bool resuming_ = false;           // the stream was opened to go on with a session
  bool fresh_ = false;              // the broker has forgotten the session: begin a new one
  std::optional<absl::Status> break_reason_;  // the stream was told to break
  absl::Status last_error_;
  bool answers_wait_ = false;    // the last message said that its answer may wait
  bool answers_wanted_ = false;  // at once: the next message does not say so
  bool stopping_ = false;
  bool writes_done_ = false;
  ReconnectBackoff backoff_;
  TimePoint last_heard_;
  wire::DiskNews disk_;
  std::chrono::milliseconds peer_silent_{};  // until what comes next: longer is gone
  TimePoint waits_since_;                    // for tasks; or before
  TimePoint last_written_;
  TimePoint next_attempt_;
  TimePoint give_up_at_;  // while no stream is open: when to look who has waited too long
  TimePoint close_deadline_;
  TimePoint stop_deadline_;
  wire::Heartbeats heartbeats_;

  std::mutex shutdown_mutex_;  // one Shutdown at a time
  std::thread thread_;
};

}  // namespace treadle::client
