#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session/session.h"

#include "proto/support/thread_name.h"
#include "proto/wire/arrival.h"
#include "proto/wire/disk_hung.h"
#include "proto/wire/settings.h"
#include "treadle/timeout.h"

// The session's own thread: it drains the inbox, keeps the ledger, and keeps a stream open.

namespace treadle::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPeerSilent(wire::kPeerSilentMs);
// How long the broker has to end the stream after our last message.
constexpr milliseconds kGoodbye(1'000);
constexpr milliseconds kNoTimer(3'600'000);

// Messages that were read and not handled yet; beyond it the stream's flow control holds the broker
// back.
constexpr size_t kUnhandledMessagesMax = 8;

// Who has waited too long for the broker is looked for at most so often in that time, and not more
// often than once in kGiveUpPauseMin.
constexpr int kGiveUpLooks = 16;
constexpr milliseconds kGiveUpPauseMin(1);

}  // namespace

void Session::Run() {
  NameThread("treadle-session");
  Inbox inbox;
  while (!stopping_ || stream_ != nullptr) {
    WaitForWork(inbox);
    Effects effects;
    TakeArrivals(effects);
    TakeWork(inbox, effects);
    Release(effects);
    if (stopping_) {
      ProceedToEnd(effects);
    } else {
      Proceed(effects);
    }
    Release(effects);
  }
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    std::swap(inbox, inbox_);
    cancels_left_ = cancels_left_ || !inbox.cancels.empty();
    progress_.notify_all();
  }
  Answer(inbox.questions);
}

void Session::Answer(const std::vector<GroupQuestion*>& questions) {
  if (questions.empty()) return;
  for (GroupQuestion* question : questions) {
    question->any = ledger_.HasPending(question->group);
    if (question->list) question->pending = ledger_.PendingOf(question->group);
  }
  std::lock_guard lock(mutex_);
  for (GroupQuestion* question : questions) question->answered = true;
  progress_.notify_all();
}

void Session::WaitForWork(Inbox& inbox) {
  TimePoint until = NextTimer();
  {
    std::lock_guard lock(mutex_);
    // While a message is being written submits gather for the next one.
    wants_submits_ = CanWrite() || !stream_wanted_;
    if (inbox_.IsUrgent() || (wants_submits_ && !inbox_.submits.empty())) {
      until = TimePoint::min();
    } else {
      queue_.PrepareToWait();
    }
  }
  queue_.Wait(until);
  std::lock_guard lock(mutex_);
  wants_submits_ = false;
  std::swap(inbox, inbox_);
  told_.pending += static_cast<int64_t>(inbox.submits.size() + inbox.attaches.size());
  if (!inbox.cancels.empty()) cancels_left_ = cancels_left_told_ = true;
}

Session::TimePoint Session::NextTimer() const {
  TimePoint timer = steady_clock::now() + kNoTimer;
  switch (stream_state_) {
    case StreamState::kNone:
      if (!stopping_ && stream_wanted_) timer = next_attempt_;
      break;
    case StreamState::kOpening:
    case StreamState::kOpen:
      if (!break_reason_.has_value()) timer = SilentAt();
      if (CanWrite() && !stopping_) timer = std::min(timer, HeartbeatDue());
      break;
    case StreamState::kClosing:
      if (!break_reason_.has_value()) timer = close_deadline_;
      break;
  }
  if (stopping_ && !break_reason_.has_value()) timer = std::min(timer, stop_deadline_);
  if (!stopping_ && stream_wanted_ && stream_state_ != StreamState::kOpen && MayGiveUp()) {
    timer = std::min(timer, give_up_at_);
  }
  return timer;
}

void Session::TakeWork(Inbox& inbox, Effects& effects) {
  if (!inbox.submits.empty() || !inbox.attaches.empty()) {
    WantStream();
    if (!waits_for_tasks()) waits_since_ = steady_clock::now();
  }
  for (FutureStateRef& submit : inbox.submits) ledger_.Submit(std::move(submit));
  for (FutureStateRef& attached : inbox.attaches) ledger_.Attach(std::move(attached));
  for (FutureStateRef& cancelled : inbox.cancels) ledger_.Cancel(std::move(cancelled), effects);
  for (const auto& [group, reason] : inbox.given_up) ledger_.GiveUp(group, reason, effects);
  Answer(inbox.questions);
  answers_wanted_ =
      answers_wanted_ || inbox.answers_wanted || !inbox.cancels.empty() || !inbox.given_up.empty();
  if (inbox.stop) {
    stopping_ = true;
    stop_deadline_ = steady_clock::now() + kGoodbye;
  }
  inbox.submits.clear();
  inbox.attaches.clear();
  inbox.cancels.clear();
  inbox.questions.clear();
  inbox.given_up.clear();
  inbox.answers_wanted = false;
  inbox.stop = false;
}

bool Session::OnMessage(std::unique_ptr<IncomingMessage> message) {
  arrivals_.messages.push_back(std::move(message));
  arrivals_.read_paused = arrivals_.messages.size() >= kUnhandledMessagesMax;
  return !arrivals_.read_paused;
}

void Session::OnWritten() { arrivals_.written = true; }

void Session::OnBroken() { arrivals_.broken = true; }

void Session::OnEnded(absl::Status status) { arrivals_.ended = std::move(status); }

void Session::TakeArrivals(Effects& effects) {
  for (const auto& message : arrivals_.messages) HandleMessage(*message->response, effects);
  arrivals_.messages.clear();
  if (std::exchange(arrivals_.read_paused, false)) stream_->ReadOn();
  if (std::exchange(arrivals_.written, false)) writing_ = writing_cancels_ = false;
  if (std::exchange(arrivals_.broken, false)) {
    if (stream_state_ == StreamState::kOpen) BeginAlone();
    stream_state_ = StreamState::kClosing;
    close_deadline_ = steady_clock::now() + kGoodbye;
    // Only then: it can cost us the broker's own words about the end.
    if (writing_) stream_->Cancel();
    stream_->Close();
  }
  if (arrivals_.ended.has_value()) {
    HandleStreamEnd(*std::exchange(arrivals_.ended, std::nullopt), effects);
  }
}

void Session::HandleMessage(v1::SessionResponse& message, Effects& effects) {
  last_heard_ = steady_clock::now();
  peer_silent_ = kPeerSilent + milliseconds(wire::ArrivalMs(message.arriving_bytes()));
  HearOfDisk(message.disk_hung_ms(), effects);
  if (message.has_opened() && stream_state_ == StreamState::kOpening) {
    stream_state_ = StreamState::kOpen;
    counted_.connected = true;
    if (std::exchange(was_open_, true)) ++counted_.reconnects;
    fresh_ = false;
    backoff_.Reset();
    heartbeats_ =
        wire::Heartbeats(message.opened().heartbeat_ms(), message.opened().idle_heartbeat_ms());
    ledger_.StreamOpened(message.opened(), effects);
  }
  ledger_.Handle(message, effects);
}

void Session::HearOfDisk(int64_t disk_hung_ms, Effects& effects) {
  std::string line;
  switch (disk_.Heard(disk_hung_ms, last_heard_)) {
    case wire::DiskNews::Change::kNone:
      break;
    case wire::DiskNews::Change::kHangs:
      line = absl::StrCat(wire::DiskHungText(disk_hung_ms),
                          ": what is acknowledged when it is on disk waits");
      break;
    case wire::DiskNews::Change::kAnswers:
      line = "the broker's disk answers again";
      break;
  }
  questions_->SetDiskHung(disk_.hung_since());
  if (line.empty() || options_.log == nullptr) return;
  effects.wakeups.callbacks.emplace_back(
      [log = options_.log, line = std::move(line)] { log(line); });
}

void Session::HandleStreamEnd(absl::Status status, Effects& effects) {
  disk_.StreamLost();
  questions_->SetDiskHung(std::nullopt);
  stream_.reset();
  stream_state_ = StreamState::kNone;
  counted_.connected = false;
  writing_ = writing_cancels_ = false;
  next_attempt_ = steady_clock::now() + backoff_.Next();
  if (break_reason_.has_value()) status = *std::exchange(break_reason_, std::nullopt);
  if (status.ok()) status = absl::UnavailableError("the broker ended the session's stream");
  if (absl::IsNotFound(status) && resuming_) {
    fresh_ = true;
    next_attempt_ = steady_clock::now();
  }
  last_error_ = status;
  if (IsForGood(status)) {
    ledger_.EndAll(status, effects);
    fresh_ = true;
    stream_wanted_ = ledger_.HasNews();
  }
}

// Trying again would give the same answer.
bool Session::IsForGood(const absl::Status& status) const {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    // From a proxy in front of a broker that restarts (HTTP 401, 403, 404), once one was there.
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
      return !was_open_;
    default:
      return false;
  }
}

void Session::Release(Effects& effects) {
  const bool cancels_left = ledger_.HasCancels() || writing_cancels_;
  ledger_.Count(counted_);
  if (effects.answered_tasks > 0 || cancels_left != cancels_left_told_ || counted_ != told_) {
    std::lock_guard lock(mutex_);
    told_ = counted_;
    cancels_left_ = cancels_left_told_ = cancels_left;
    window_tasks_ -= effects.answered_tasks;
    window_bytes_ -= effects.answered_bytes;
    for (absl::AnyInvocable<void()>& callback : ServeLine()) {
      effects.wakeups.callbacks.push_back(std::move(callback));
    }
    if (waiters_ > 0) progress_.notify_all();
    effects.answered_tasks = effects.answered_bytes = 0;
  }
  effects.wakeups.WakePoints();
  if (!effects.wakeups.callbacks.empty()) {
    callbacks_->Post(std::exchange(effects.wakeups.callbacks, {}));
  }
}

void Session::Proceed(Effects& effects) {
  const TimePoint now = steady_clock::now();
  if (stream_state_ == StreamState::kNone && stream_wanted_ && now >= next_attempt_) OpenStream();
  BreakIfHopeless(now);
  GiveUpIfDue(now, effects);
  const bool asks = answers_wanted_ && answers_wait_;
  if (CanWrite() && (ledger_.HasNews() || asks || now >= HeartbeatDue())) WriteNext(effects);
}

void Session::WantStream() {
  if (std::exchange(stream_wanted_, true)) return;
  BeginAlone();
}

void Session::BeginAlone() { give_up_at_ = DeadlineAfter(options_.give_up_after); }

void Session::GiveUpIfDue(TimePoint now, Effects& effects) {
  if (stream_state_ == StreamState::kOpen || !stream_wanted_ || !MayGiveUp() || now < give_up_at_) {
    return;
  }
  const milliseconds wait = options_.give_up_after;
  const TimePoint oldest =
      ledger_.EndOlder(now - wait,
                       absl::UnavailableError(absl::StrCat("the broker at ", options_.address,
                                                           " was not reached for ", wait.count(),
                                                           " ms (", last_error_.ToString(), ")")),
                       effects);
  give_up_at_ =
      std::max(std::min(oldest, now) + wait, now + std::max(wait / kGiveUpLooks, kGiveUpPauseMin));
}

void Session::ProceedToEnd(Effects& effects) {
  ledger_.EndAll(absl::UnavailableError("the client was shut down"), effects);
  if (CanWrite() && !writes_done_) {
    if (ledger_.HasCancels()) {
      WriteNext(effects);
    } else {
      writes_done_ = true;
      stream_->WritesDone();
    }
  }
  BreakIfHopeless(steady_clock::now());
}

void Session::OpenStream() {
  v1::SessionRequest request;
  v1::SessionOpen& open = *request.mutable_open();
  open.set_client_name(options_.name);
  if (!fresh_ && ledger_.session_id() != 0) {
    open.set_session_id(ledger_.session_id());
    open.set_resume_secret(ledger_.resume_secret());
    request.set_acknowledged_below(ledger_.acknowledged_below());
  }
  resuming_ = open.session_id() != 0;
  stream_state_ = StreamState::kOpening;
  last_heard_ = steady_clock::now();
  peer_silent_ = kPeerSilent;
  answers_wait_ = false;
  stream_.reset(new SessionStream(channel_, queue_, *this));
  Write(request.SerializeAsString());
}

void Session::BreakIfHopeless(TimePoint now) {
  if (stream_ == nullptr) return;
  const bool closing = stream_state_ == StreamState::kClosing;
  if (closing && now >= close_deadline_) {
    BreakStream(absl::UnavailableError("what the broker sent could not be read"));
  }
  if (!closing && now >= SilentAt()) {
    BreakStream(absl::UnavailableError(
        absl::StrCat("nothing was heard for ",
                     std::chrono::ceil<milliseconds>(now - last_heard_).count(), " ms")));
  }
  if (stopping_ && (stream_state_ == StreamState::kOpening || now >= stop_deadline_)) {
    BreakStream(absl::CancelledError("the client was shut down"));
  }
}

void Session::BreakStream(absl::Status reason) {
  if (break_reason_.has_value()) return;
  break_reason_ = std::move(reason);
  stream_->Cancel();
}

void Session::WriteNext(Effects& effects) {
  writing_cancels_ = ledger_.HasCancels();
  bool answer_may_wait = !std::exchange(answers_wanted_, false) && AnswersMayWait();
  std::string message = ledger_.NextMessage(effects, answer_may_wait);
  answers_wait_ = answer_may_wait;
  Write(std::move(message));
}

bool Session::AnswersMayWait() {
  std::lock_guard lock(mutex_);
  return waiters_ == 0 && line_.empty() && window_tasks_ <= options_.window_tasks / 2 &&
         window_bytes_ <= options_.window_bytes / 2;
}

void Session::Write(std::string message) {
  writing_ = true;
  last_written_ = steady_clock::now();
  counted_.sent_bytes += static_cast<int64_t>(message.size());
  stream_->Write(std::move(message));
}

}  // namespace treadle::client
