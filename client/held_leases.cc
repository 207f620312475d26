#include "client/held_leases.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/named_error.h"
#include "client/reconnect_backoff.h"

#include "proto/wire/status.h"

namespace treadle {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long one question waits at the broker, so that a shutdown of the queue is noticed in time.
constexpr milliseconds kQuestion(1'000);
// How long before it is asked again whether the lease can be renewed, when the broker was away.
constexpr milliseconds kRenewAgain(200);
constexpr milliseconds kHandBack(2'000);

milliseconds UpTo(steady_clock::time_point deadline, milliseconds most) {
  const auto left = deadline - steady_clock::now();
  if (left <= steady_clock::duration::zero()) return milliseconds(0);
  if (left >= most) return most;
  return std::chrono::ceil<milliseconds>(left);
}

absl::Status ShutDownStatus() {
  return absl::CancelledError("the client was shut down: connect a new one");
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
};

void HeldLeases::TakeOnce(const LeaseWish& wish, milliseconds wait, Done done) {
  auto call = std::make_shared<TakeCall>();
  call->request.add_queues(wish.queue);
  call->request.add_types(wish.type);
  call->request.set_max_tasks(1);
  call->request.set_lease_ms(wish.duration.count());
  call->request.set_wait_ms(wait.count());
  call->request.set_worker_name(options_.name);
  call->context.set_deadline(std::chrono::system_clock::now() + wait + options_.call_timeout);
  if (!watches_.Begin(call->context)) {
    done(ShutDownStatus());
    return;
  }
  {
    std::lock_guard lock(mutex_);
    ++calls_;
  }
  TakeCall& started = *call;
  // std::function wants to be copyable.
  auto shared_done = std::make_shared<Done>(std::move(done));
  stub_->async()->Lease(
      &started.context, &started.request, &started.response,
      [this, call, shared_done, duration = wish.duration](const grpc::Status& status) {
        watches_.End(call->context);
        if (!status.ok()) {
          (*shared_done)(wire::FromGrpc(status));
        } else if (call->response.tasks().empty()) {
          (*shared_done)(ClientLeaseRef());
        } else {
          auto lease =
              std::make_shared<ClientLease>(std::move(*call->response.mutable_tasks(0)), duration);
          Add(lease);
          (*shared_done)(std::move(lease));
        }
        std::lock_guard lock(mutex_);
        --calls_;
        changed_.notify_all();
      });
}

absl::StatusOr<ClientLeaseRef> HeldLeases::Take(const LeaseWish& wish, TimePoint deadline,
                                                absl::FunctionRef<absl::Status()> idle) {
  ReconnectBackoff backoff;
  while (true) {
    std::promise<absl::StatusOr<ClientLeaseRef>> answered;
    TakeOnce(wish, UpTo(deadline, kQuestion),
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

void HeldLeases::Add(const ClientLeaseRef& lease) {
  std::lock_guard lock(mutex_);
  lease->expires_at_ = steady_clock::now() + lease->duration_;
  lease->renew_at_ = steady_clock::now() + lease->duration_ / 3;
  // What arrives now is not renewed, and comes back to the queue when its lease expires.
  if (closed_) return;
  held_.push_back(lease);
  if (!thread_.joinable()) thread_ = std::thread([this] { Renew(); });
  changed_.notify_one();
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
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (const TimePoint next = NextRenewal(); steady_clock::now() < next) {
      changed_.wait_until(lock, next);
    } else {
      RenewDue(lock);
    }
  }
}

void HeldLeases::RenewDue(std::unique_lock<std::mutex>& lock) {
  const TimePoint asked_at = steady_clock::now();
  std::vector<ClientLeaseRef> due;
  v1::ExtendRequest request;
  for (const ClientLeaseRef& lease : held_) {
    if (lease->renew_at_ > asked_at) continue;
    due.push_back(lease);
    v1::LeaseExtension& extension = *request.add_leases();
    extension.set_task_id(lease->task().task_id());
    extension.set_token(lease->task().token());
    extension.set_lease_ms(lease->duration_.count());
    if (request.leases_size() == limits::kBatchTasksMax) break;
  }
  lock.unlock();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::min(options_.call_timeout, milliseconds(1'000)));
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
      lease.expires_at_ = asked_at + lease.duration_;
      lease.renew_at_ = asked_at + lease.duration_ / 3;
    } else if (answered || now >= lease.expires_at_) {
      if (std::erase(held_, due[i]) > 0) lost.push_back(due[i]);
    } else {
      lease.renew_at_ = now + kRenewAgain;
    }
  }
  lock.unlock();
  for (const ClientLeaseRef& lease : lost) lease->lost_.request_stop();
  lock.lock();
}

absl::Status HeldLeases::Report(const std::vector<ClientLeaseRef>& leases, v1::AttemptEnd end,
                                milliseconds timeout) {
  v1::CompleteRequest request;
  for (const ClientLeaseRef& lease : leases) {
    v1::AttemptReport& report = *request.add_reports();
    report.set_task_id(lease->task().task_id());
    report.set_token(lease->task().token());
    report.set_end(end);
  }
  const TimePoint deadline = steady_clock::now() + timeout;
  ReconnectBackoff backoff;
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + UpTo(deadline, timeout));
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

void HeldLeases::Shutdown() {
  std::vector<ClientLeaseRef> held;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    held.swap(held_);
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (held.empty()) return;
  for (const ClientLeaseRef& lease : held) lease->lost_.request_stop();
  Report(held, v1::ATTEMPT_END_RELEASED, kHandBack).IgnoreError();
}

}  // namespace treadle
