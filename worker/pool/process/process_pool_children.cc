#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"
#include <sys/epoll.h>

#include "treadle/task_error.h"
#include "worker/pool/process/process_pool_loop.h"

// The lives of the children.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;

// How long a child may take to end by itself.
constexpr milliseconds kLeaveGrace{5'000};
// Of what one child sends, before another has its turn.
constexpr int kReceivesAtOnce = 16;
// As long as so many starts in a row have failed, and no child is left, nothing waits for one.
constexpr int64_t kStartsFailedBroken = 3;
constexpr char kHowChildrenStart[] =
    ": a child is this program, started again, and has to come to Worker::Run";

int64_t CeilSeconds(milliseconds time) {
  return std::chrono::ceil<std::chrono::seconds>(time).count();
}

}  // namespace

void ProcessPool::Loop::Watch(Child& child, int operation, bool writable) {
  epoll_event event{};
  event.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = reinterpret_cast<uint64_t>(&child);
  ::epoll_ctl(epoll_.number(), operation, child.process->socket(), &event);
}

// Before its descriptors are closed: another thread may be about to start a program, and hold
// copies of them, for which the system would report a child that is no more.
void ProcessPool::Loop::WatchNoMore(const Child& child) {
  for (const int file : {child.process->socket(), child.process->ended()}) {
    ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, file, nullptr);
  }
}

// None: the child bounds itself.
std::unique_ptr<Cgroup> ProcessPool::Loop::NewCgroup() {
  if (cgroups_ == nullptr) return nullptr;
  auto cgroup = cgroups_->Make(options_.memory_bytes_max);
  if (cgroup.ok()) return *std::move(cgroup);
  LeaveCgroups(cgroup.status().message());
  return nullptr;
}

void ProcessPool::Loop::LeaveCgroups(absl::string_view why) {
  events_->Warn(absl::StrCat("pool '", options_.name, "': ", why,
                             "; from now on children bound their memory by RLIMIT_DATA"));
  cgroups_ = nullptr;
}

void ProcessPool::Loop::StartChildren(Time now) {
  if (shutting_down_) return;
  for (size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    if (place.child != nullptr || now < place.start_at) continue;
    ChildSetup setup;
    setup.number = static_cast<int32_t>(i);
    setup.memory_bytes_max = options_.memory_bytes_max;
    setup.cpu_seconds_max = CeilSeconds(options_.cpu_time_max);
    std::unique_ptr<Cgroup> cgroup = NewCgroup();
    const bool has_cgroup = cgroup != nullptr;
    auto process = SpawnedChild::Start(setup, options_.child_arguments, options_.child_key,
                                       std::move(cgroup), options_.guard);
    if (!process.ok()) {
      StartFailed(setup.number,
                  absl::Status(process.status().code(),
                               absl::StrCat("cannot be started: ", process.status().message())),
                  now);
      continue;
    }
    if (has_cgroup && !(*process)->in_cgroup() && !(*process)->HasEnded()) {
      LeaveCgroups("the system lets no child into its cgroup");
    }
    auto child = std::make_unique<Child>();
    child->process = *std::move(process);
    child->number = setup.number;
    child->kill_at = now + options_.start_timeout;
    Watch(*child, EPOLL_CTL_ADD, false);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = reinterpret_cast<uint64_t>(child.get()) + 1;
    if (child->process->ended() < 0 ||
        ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, child->process->ended(), &event) != 0) {
      pidless_ = true;
    }
    place.child = child.get();
    children_.push_back(std::move(child));
  }
}

// The child's place is free. `why`: RESOURCE_EXHAUSTED when the system has no room for one now,
// which is no fault of the program's.
void ProcessPool::Loop::StartFailed(int number, const absl::Status& why, Time now) {
  const milliseconds pause =
      std::min(options_.restart_max,
               options_.restart_min * (int64_t{1} << std::min<int64_t>(starts_failed_, 20)));
  ++starts_failed_;
  Place& place = places_[static_cast<size_t>(number)];
  place.child = nullptr;
  place.start_at = now + pause;
  if (shutting_down_) return;
  const std::string line =
      absl::StrCat("child ", number, " of pool '", options_.name, "' ", why.message());
  {
    std::lock_guard lock(mutex_);
    if (!started_) {
      start_.Update(absl::IsResourceExhausted(why)
                        ? absl::ResourceExhaustedError(line)
                        : absl::FailedPreconditionError(absl::StrCat(line, kHowChildrenStart)));
      changed_.notify_all();
      return;
    }
  }
  events_->Warn(absl::StrCat(line, ": trying again in ", pause.count(), " ms"));
  if (starts_failed_ < kStartsFailedBroken) return;
  const bool alone = std::all_of(places_.begin(), places_.end(),
                                 [](const Place& other) { return other.child == nullptr; });
  if (!alone) return;
  // What this worker has no room for, another may have.
  EndWaiting(absl::IsResourceExhausted(why)
                 ? AttemptResult::Released()
                 : AttemptResult::Failed("BrokenPool",
                                         absl::StrCat("no child process can be started: ", line)));
}

void ProcessPool::Loop::EndWaiting(const AttemptResult& result) {
  for (Returned& returned : returned_) ends_.emplace_back(std::move(returned.attempt), result);
  returned_.clear();
  while (AttemptPtr attempt = TakeWaiting()) ends_.emplace_back(std::move(attempt), result);
}

void ProcessPool::Loop::Read(Child& child, Time now) {
  FrameReader& frames = child.process->frames();
  for (int i = 0; i < kReceivesAtOnce && !child.gone; ++i) {
    const FrameReader::Got got = frames.Receive(child.process->socket());
    if (!TakeFrames(child, now)) {
      // Not even for its end, which the system would report on and on.
      Watch(child, EPOLL_CTL_DEL, false);
      return;
    }
    if (frames.broken()) Kill(child);
    if (got == FrameReader::Got::kEnd || frames.broken()) {
      // Its end is heard of in another way; soon, or it has lost its mind.
      Watch(child, EPOLL_CTL_DEL, false);
      child.kill_at = std::min(child.kill_at, now + kLeaveGrace);
      return;
    }
    // What has just come was all that there was, most likely; if not, we are called again.
    if (got == FrameReader::Got::kNothing || frames.arriving() == 0) return;
  }
}

// Takes those that have arrived. False: there is no room for what one of them says.
bool ProcessPool::Loop::TakeFrames(Child& child, Time now) {
  Frame frame;
  while (!child.unsaid && child.process->frames().Next(frame)) {
    TakeFrame(child, std::move(frame), now);
  }
  return !child.unsaid;
}

bool ProcessPool::Loop::Hear(Child& child, OutputEntry entry) {
  const bool taken = events_->Output(*child.attempt, entry, [this] {
    room_ = true;
    Wake();
  });
  if (taken) {
    child.unsaid.reset();
  } else {
    child.unsaid = std::move(entry);
  }
  return taken;
}

// There may be room now, or the attempt must stop, which drops what there is none for.
void ProcessPool::Loop::HearOn(Child& child, Time now) {
  if (!child.unsaid || !Hear(child, *std::move(child.unsaid))) return;
  if (child.process->HasEnded()) {
    CheckExit(child, now);
  } else if (TakeFrames(child, now)) {
    Watch(child, EPOLL_CTL_ADD, false);
  }
}

void ProcessPool::Loop::TakeFrame(Child& child, Frame frame, Time now) {
  if (frame.kind == FrameKind::kReady && child.state == State::kStarting) {
    TakeReady(child, frame, now);
  } else if (child.state != State::kRunning || frame.run != child.run) {
    // Said by a run that is over.
  } else if (frame.kind == FrameKind::kResult) {
    TakeResult(child, std::move(frame), now);
  } else if (double fraction;
             frame.kind == FrameKind::kProgress && ReadFraction(frame.head, fraction)) {
    events_->Progress(*child.attempt, fraction, frame.body);
  } else if (OutputEntry entry;
             frame.kind == FrameKind::kOutput && ReadOutput(std::move(frame), entry)) {
    Hear(child, std::move(entry));
  }
}

void ProcessPool::Loop::TakeReady(Child& child, const Frame& frame, Time now) {
  std::string why = frame.body;
  if (frame.head != child.process->token()) why = "is not the process that was started";
  if (!why.empty()) {
    Leave(child, now);
    StartFailed(child.number, absl::FailedPreconditionError(absl::StrCat("is not ready: ", why)),
                now);
    return;
  }
  child.state = State::kIdle;
  child.kill_at = Time::max();
  ++idle_;
  const bool all = std::all_of(places_.begin(), places_.end(), [](const Place& place) {
    return place.child != nullptr && place.child->state != State::kStarting;
  });
  if (!all) return;
  std::lock_guard lock(mutex_);
  started_ = true;
  changed_.notify_all();
}

void ProcessPool::Loop::Begin(Child& child, AttemptPtr attempt, std::string payload, Time now) {
  --idle_;
  child.state = State::kRunning;
  child.attempt = std::move(attempt);
  child.payload = std::move(payload);
  child.told_to_stop = false;
  child.process->Send(FrameKind::kRun, ++child.run,
                      WriteInfo(child.attempt->id(), child.attempt->info()), child.payload);
  child.sending = !child.process->Flush();
  if (child.sending) Watch(child, EPOLL_CTL_MOD, true);
  if (child.attempt->stop_reason() != StopReason::kNone) TellToStop(child, now);
}

void ProcessPool::Loop::TellToStop(Child& child, Time now) {
  if (std::exchange(child.told_to_stop, true)) return;
  child.process->OrderStop(child.run, child.attempt->stop_reason());
  child.next_signal_at = now + options_.terminate_after;
  HearOn(child, now);
}

void ProcessPool::Loop::SignalLate(Child& child, Time now) {
  if (now >= child.kill_at || (child.signalled && now >= child.next_signal_at)) {
    Kill(child);
  } else if (now >= child.next_signal_at) {
    child.signalled = true;
    child.next_signal_at = now + options_.kill_after;
    child.process->Signal(SIGTERM);
  }
}

void ProcessPool::Loop::Kill(Child& child) {
  child.signalled = true;
  child.kill_at = child.next_signal_at = Time::max();
  child.process->Signal(SIGKILL);
}

void ProcessPool::Loop::TakeResult(Child& child, Frame frame, Time now) {
  AttemptResult result;
  RunTimes times;
  if (!ReadResult(std::move(frame), result, times)) {
    Kill(child);
    return;
  }
  ++child.ended;
  starts_failed_ = 0;
  EndAttempt(child, std::move(result), times);
  child.state = State::kIdle;
  ++idle_;
  child.next_signal_at = Time::max();
  const bool worn = options_.max_tasks_per_child > 0 && child.ended >= options_.max_tasks_per_child;
  if (child.signalled || worn || shutting_down_) Leave(child, now);
}

void ProcessPool::Loop::EndAttempt(Child& child, AttemptResult result, const RunTimes& times) {
  if (HandlerMeter* const meter = handlers_->MeterOf(child.attempt->info().type)) {
    meter->Begin();
    if (times.wall_ns > 0) meter->Add(times);
  }
  result = AfterStop(*child.attempt, std::move(result));
  ends_.emplace_back(std::move(child.attempt), std::move(result));
  child.attempt = nullptr;
  child.payload = {};
}

// Another one takes its place.
void ProcessPool::Loop::Leave(Child& child, Time now) {
  if (child.state == State::kIdle) --idle_;
  child.state = State::kLeaving;
  Place& place = places_[static_cast<size_t>(child.number)];
  place.child = nullptr;
  place.start_at = now;
  if (child.signalled) {
    Kill(child);
  } else {
    child.kill_at = now + kLeaveGrace;
    child.process->LetGo();
  }
}

void ProcessPool::Loop::CheckExit(Child& child, Time now) {
  if (child.gone) return;
  if (!child.process->HasEnded()) return;
  // First what it has sent: it may have died after its result.
  FrameReader& frames = child.process->frames();
  while (TakeFrames(child, now) &&
         frames.Receive(child.process->socket()) == FrameReader::Got::kSome) {
  }
  const std::optional<ProcessExit> exit = child.process->Reap();
  if (!exit) return;
  WatchNoMore(child);
  if (child.unsaid) return;
  DyingGroups& left_behind = child.process->left_behind();
  if (child.state == State::kRunning && !left_behind.AreDead()) {
    child.look_at = now + left_behind.pause();
    return;
  }
  Exited(child, *exit, now);
}

void ProcessPool::Loop::Exited(Child& child, const ProcessExit& exit, Time now) {
  const State state = child.state;
  child.gone = true;
  child.state = State::kLeaving;
  Place& place = places_[static_cast<size_t>(child.number)];
  if (place.child == &child) {
    place.child = nullptr;
    place.start_at = now;
  }
  if (state == State::kStarting) {
    const bool late = child.signalled && !shutting_down_;
    StartFailed(
        child.number,
        absl::FailedPreconditionError(
            late ? absl::StrCat("was not ready after ", options_.start_timeout.count(), " ms")
                 : absl::StrCat(exit.ToString(), " before it was ready")),
        now);
  } else if (state == State::kIdle) {
    --idle_;
    DiedUnused(child, exit, now);
  } else if (state == State::kRunning) {
    if (child.process->begun() < child.run && child.attempt->stop_reason() == StopReason::kNone) {
      returned_.push_front({std::move(child.attempt), std::move(child.payload)});
      DiedUnused(child, exit, now);
    } else {
      EndAttempt(child, Died(child, exit), RunTimes());
    }
  }
}

// It was ready, and no attempt ran in it just then. One that has never brought one to its end
// counts as one that could not be started.
void ProcessPool::Loop::DiedUnused(const Child& child, const ProcessExit& exit, Time now) {
  const std::string how = absl::StrCat(exit.ToString(), " between two tasks");
  if (child.ended == 0) {
    StartFailed(child.number, absl::FailedPreconditionError(how), now);
  } else {
    events_->Warn(absl::StrCat("child ", child.number, " of pool '", options_.name, "' ", how));
  }
}

AttemptResult ProcessPool::Loop::Died(const Child& child, const ProcessExit& exit) const {
  std::string message =
      absl::StrCat("the handler's process (child ", child.number, ") ", exit.ToString());
  if (exit.signal == SIGXCPU && options_.cpu_time_max.count() > 0) {
    absl::StrAppend(&message, ": the attempt took more than ", CeilSeconds(options_.cpu_time_max),
                    " s of CPU time");
  } else if (exit.signal == SIGKILL && !child.signalled && !exit.memory_bytes_max) {
    absl::StrAppend(&message,
                    ", which this worker did not send: the system may be short of memory");
  } else if (exit.signal == 0) {
    absl::StrAppend(&message, " before it returned");
  }
  AttemptResult result = AttemptResult::Failed(
      std::string(exit.signal == 0 ? kExitStatusError : kSignalError), std::move(message));
  if (exit.signal == 0) {
    result.exit_code = exit.status;
  } else {
    result.signal = exit.signal;
  }
  return result;
}

}  // namespace treadle::worker
