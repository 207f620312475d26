#include "client/leases/held_leases.h"

#include <algorithm>
#include <future>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session/reconnect_backoff.h"

#include "proto/support/thread_name.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "treadle/internal/start_thread.h"
#include "treadle/named_error.h"
#include "treadle/timeout.h"

namespace treadle::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long before it is asked again whether the lease can be renewed, when the broker was away.
constexpr milliseconds kRenewAgain(200);
constexpr milliseconds kRenewAnswer(1'000);
constexpr milliseconds kHandBack(2'000);

milliseconds UpTo(steady_clock::time_point deadline, milliseconds most) {
  const auto left = deadline - steady_clock::now();
  if (left <= steady_clock::duration::zero()) return milliseconds(0);
  if (left >= most) return most;
  return std::chrono::ceil<milliseconds>(left);
}

void AddReport(const ClientLease& lease, v1::AttemptEnd end, v1::CompleteRequest& request) {
  v1::AttemptReport& report = *request.add_reports();
  report.set_token(lease.task().token());
  report.set_end(end);
}

}  // namespace

HeldLeases::HeldLeases(const ClientOptions& options, const std::shared_ptr<grpc::Channel>& channel,
                       Watches& watches)
    : options_(options), stub_(v1::WorkerService::NewStub(channel)), watches_(watches) {}

HeldLeases::~HeldLeases() {
  Shutdown();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return calls_ == 0; });
}

// One Lease call under way.
struct HeldLeases::TakeCall {
  grpc::ClientContext context;
  v1::LeaseRequest request;
  v1::LeaseResponse response;
  milliseconds duration{0};
  TimePoint asked_at;
  Done done;
};

void HeldLeases::TakeOnce(const LeaseWish& wish, milliseconds wait, Done done) {
  auto call = std::make_shared<TakeCall>();
  call->request.add_queues(wish.queue);
  call->request.add_types(wish.type);
  call->request.set_max_tasks(1);
  call->request.set_lease_ms(wish.duration.count());
  call->request.set_wait_ms(wait.count());
  call->request.set_worker_name(options_.name);
  call->request.set_message_bytes_max(wire::kTakenBytesMax);
  call->context.set_deadline(CallDeadline(Timeout(wait) + options_.call_timeout));
  absl::Status status = StartRenewals();
  if (status.ok() && !watches_.Begin(call->context)) status = ShutDownStatus();
  if (!status.ok()) {
    done(status);
    return;
  }
  call->done = std::move(done);
  BeginCall();
  TakeCall& started = *call;
  started.duration = wish.duration;
  started.asked_at = steady_clock::now();
  stub_->async()->Lease(&started.context, &started.request, &started.response,
                        [this, call](const grpc::Status& answer) mutable {
                          watches_.End(call->context);
                          call->done(Taken(*call, answer));
                          EndCall(std::move(call));
                        });
}

absl::StatusOr<ClientLeaseRef> HeldLeases::Taken(TakeCall& call, const grpc::Status& answer) {
  // A broker that hangs is as good as none.
  if (answer.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError("the broker did not answer in time");
  }
  if (!answer.ok()) return wire::FromGrpc(answer);
  if (call.response.tasks().empty()) return ClientLeaseRef();
  auto lease =
      std::make_shared<ClientLease>(std::move(*call.response.mutable_tasks(0)), call.duration);
  const int64_t waited_ms = std::clamp<int64_t>(call.response.waited_ms(), 0, limits::kWaitMsMax);
  if (Add(lease, call.asked_at + milliseconds(waited_ms))) return lease;
  HandBackSoon(lease);
  return ShutDownStatus();
}

void HeldLeases::BeginCall() {
  std::lock_guard lock(mutex_);
  if (++calls_ == 1) changed_.notify_all();  // who wakes gRPC
}

// The call goes first, with all that it holds: after this the client may be gone, and its context
// would be the last that holds the channel, which must not end in a call from gRPC. (When the
// process's last channel goes, gRPC 1.51 joins the threads that such calls come from, and deletes
// what they use.)
void HeldLeases::EndCall(std::shared_ptr<void> call) {
  call.reset();
  std::lock_guard lock(mutex_);
  --calls_;
  changed_.notify_all();
}

// Before there is a lease: it could not be kept.
absl::Status HeldLeases::StartRenewals() {
  std::lock_guard lock(mutex_);
  if (closed_ || thread_.joinable()) return absl::OkStatus();
  return internal::StartThread("renewing leases", thread_, [this] { Renew(); });
}

absl::StatusOr<ClientLeaseRef> HeldLeases::Take(const LeaseWish& wish, TimePoint deadline,
                                                absl::FunctionRef<absl::Status()> idle) {
  ReconnectBackoff backoff;
  while (true) {
    std::promise<absl::StatusOr<ClientLeaseRef>> answered;
    TakeOnce(wish, UpTo(deadline, kQuestionWait),
             [&](absl::StatusOr<ClientLeaseRef> lease) { answered.set_value(std::move(lease)); });
    absl::StatusOr<ClientLeaseRef> lease = answered.get_future().get();
    const TimePoint now = steady_clock::now();
    if (lease.ok()) {
      backoff.Reset();
      if (*lease != nullptr) return lease;
      if (absl::Status status = idle(); !status.ok()) return status;
      if (now >= deadline) {
        return Named(absl::NotFoundError(absl::StrCat("queue '", wish.queue,
                                                      "' had nothing to get in time: wait longer, "
                                                      "or come again")),
                     error_name::kEmpty);
      }
    } else if (!absl::IsUnavailable(lease.status()) || now >= deadline) {
      return lease.status();
    } else if (!watches_.SleepUntil(std::min(now + backoff.Next(), deadline))) {
      return ShutDownStatus();
    }
  }
}

bool HeldLeases::Add(const ClientLeaseRef& lease, TimePoint begun_at) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  lease->LiveFrom(begun_at, lease->task().lease_ms());
  held_.push_back(lease);
  changed_.notify_one();
  return true;
}

bool HeldLeases::Remove(const ClientLeaseRef& lease) {
  std::lock_guard lock(mutex_);
  return std::erase(held_, lease) > 0;
}

HeldLeases::TimePoint HeldLeases::NextRenewal() const {
  TimePoint next = steady_clock::now() + std::chrono::hours(1);
  for (const ClientLeaseRef& lease : held_) next = std::min(next, lease->renew_at_);
  return next;
}

void HeldLeases::Renew() {
  NameThread("treadle-leases");
  std::unique_lock lock(mutex_);
  while (!closed_) {
    const TimePoint now = steady_clock::now();
    const TimePoint next = NextRenewal();
    if (calls_ > 0) waker_.Beat(now);
    if (now < next) {
      changed_.wait_until(lock, calls_ > 0 ? std::min(next, now + wire::GrpcWaker::kEvery) : next);
    } else {
      RenewDue(lock);
    }
  }
}

void HeldLeases::RenewDue(std::unique_lock<std::mutex>& lock) {
  const TimePoint asked_at = steady_clock::now();
  std::vector<ClientLeaseRef> due;
  // An answer that comes later than that is of no use to the first of them.
  TimePoint answer_by = asked_at + std::min<milliseconds>(options_.call_timeout, kRenewAnswer);
  v1::ExtendRequest request;
  for (const ClientLeaseRef& lease : held_) {
    if (lease->renew_at_ > asked_at) continue;
    due.push_back(lease);
    answer_by = std::min(answer_by, lease->expires_at_);
    v1::LeaseExtension& extension = *request.add_leases();
    extension.set_token(lease->task().token());
    extension.set_lease_ms(lease->duration_.count());
    if (request.leases_size() == limits::kBatchTasksMax) break;
  }
  lock.unlock();
  grpc::ClientContext context;
  context.set_deadline(CallDeadline(UpTo(answer_by, kRenewAnswer)));
  v1::ExtendResponse response;
  const bool answered = stub_->Extend(&context, request, &response).ok() &&
                        static_cast<size_t>(response.results_size()) == due.size();
  const TimePoint now = steady_clock::now();
  std::vector<ClientLeaseRef> lost;
  lock.lock();
  for (size_t i = 0; i < due.size(); ++i) {
    ClientLease& lease = *due[i];
    const bool renewed = answered && response.results(static_cast<int>(i)).status().code() == 0;
    if (renewed) {
      lease.LiveFrom(asked_at, response.results(static_cast<int>(i)).lease_ms());
    } else if (answered || now >= lease.expires_at_) {
      if (std::erase(held_, due[i]) > 0) lost.push_back(due[i]);
    } else {
      lease.renew_at_ = std::min(now + kRenewAgain, lease.expires_at_);
    }
  }
  lock.unlock();
  TellLost(std::move(lost));
  lock.lock();
}

void HeldLeases::TellLost(std::vector<ClientLeaseRef> lost) {
  if (lost.empty()) return;
  auto tell = [lost = std::move(lost)] {
    for (const ClientLeaseRef& lease : lost) lease->lost_.request_stop();
  };
  try {
    if (!losses_.has_value()) losses_.emplace();
  } catch (const std::system_error&) {
    return tell();  // no thread left: better late renewals than no word
  }
  std::vector<absl::AnyInvocable<void()>> callbacks;
  callbacks.push_back(std::move(tell));
  losses_->Post(std::move(callbacks));
}

absl::Status HeldLeases::Report(const std::vector<ClientLeaseRef>& leases, v1::AttemptEnd end,
                                milliseconds timeout) {
  v1::CompleteRequest request;
  for (const ClientLeaseRef& lease : leases) AddReport(*lease, end, request);
  const TimePoint deadline = steady_clock::now() + timeout;
  ReconnectBackoff backoff;
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(CallDeadline(UpTo(deadline, timeout)));
    v1::CompleteResponse response;
    absl::Status status = wire::FromGrpc(stub_->Complete(&context, request, &response));
    for (const v1::ReportResult& result : response.results()) {
      status.Update(wire::FromItem(result.status()));
    }
    if (!absl::IsUnavailable(status)) return status;
    const TimePoint again = steady_clock::now() + backoff.Next();
    if (again >= deadline || !watches_.SleepUntil(again)) return status;
  }
}

absl::Status HeldLeases::End(const ClientLeaseRef& lease, v1::AttemptEnd end) {
  if (!Remove(lease) && lease->lost_.stop_requested()) {
    return absl::AbortedError(absl::StrCat("the lease of task ", lease->task().task_id(),
                                           " was lost before: someone else may have it now"));
  }
  return Report({lease}, end, options_.call_timeout);
}

void HeldLeases::HandBack(const std::vector<ClientLeaseRef>& leases) {
  std::vector<ClientLeaseRef> held;
  for (const ClientLeaseRef& lease : leases) {
    if (Remove(lease)) held.push_back(lease);
  }
  Release(held);
}

void HeldLeases::Release(const std::vector<ClientLeaseRef>& held) {
  const auto deadline = steady_clock::now() + kHandBack;
  for (size_t begin = 0; begin < held.size(); begin += limits::kBatchTasksMax) {
    const size_t end = std::min(held.size(), begin + limits::kBatchTasksMax);
    const std::vector<ClientLeaseRef> batch(held.begin() + static_cast<long>(begin),
                                            held.begin() + static_cast<long>(end));
    Report(batch, v1::ATTEMPT_END_RELEASED, UpTo(deadline, kHandBack)).IgnoreError();
  }
}

// One Complete call under way, whose answer nobody waits for.
struct HeldLeases::ReportCall {
  grpc::ClientContext context;
  v1::CompleteRequest request;
  v1::CompleteResponse response;
};

void HeldLeases::HandBackSoon(const ClientLeaseRef& lease) {
  Remove(lease);
  auto call = std::make_shared<ReportCall>();
  call->context.set_deadline(CallDeadline(kHandBack));
  AddReport(*lease, v1::ATTEMPT_END_RELEASED, call->request);
  BeginCall();
  ReportCall& started = *call;
  stub_->async()->Complete(&started.context, &started.request, &started.response,
                           [this, call](const grpc::Status&) mutable { EndCall(std::move(call)); });
}

void HeldLeases::Shutdown() {
  std::lock_guard one_at_a_time(shutdown_mutex_);
  std::vector<ClientLeaseRef> held;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    held.swap(held_);
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  losses_.reset();
  if (held.empty()) return;
  for (const ClientLeaseRef& lease : held) lease->lost_.request_stop();
  Release(held);
}

}  // namespace treadle::client
