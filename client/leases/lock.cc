#include "treadle/lock.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/future/future_state.h"
#include "client/future/task_spec.h"
#include "client/leases/held_leases.h"
#include "client/session/session.h"

#include "proto/support/limits.h"
#include "treadle/executor.h"
#include "treadle/internal/item_queue.h"
#include "treadle/named_error.h"
#include "treadle/timeout.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle {
namespace {

constexpr std::string_view kPermitType = "treadle.permit";
constexpr std::string_view kEventType = "treadle.event";
constexpr std::chrono::milliseconds kGlance(limits::kLeaseMsMin);

v1::QueueConfig Config(std::string_view name, int64_t max_tasks) {
  v1::QueueConfig config;
  config.set_name(std::string(name));
  config.set_discipline(v1::DISCIPLINE_FIFO);
  config.set_max_tasks(max_tasks);
  return config;
}

absl::Status NotInTime(const absl::Status& status, const std::string& what) {
  if (!IsEmpty(status)) return status;
  return absl::DeadlineExceededError(absl::StrCat(what, ": wait longer, or try again"));
}

absl::Status KeepWaiting() { return absl::OkStatus(); }

SubmitOptions ForGood() {
  SubmitOptions submit;
  submit.max_attempts = limits::kAttemptsMax;
  submit.result_ttl = std::chrono::milliseconds(0);
  return submit;
}

}  // namespace

Permit& Permit::operator=(Permit&& other) noexcept {
  std::swap(client_, other.client_);
  std::swap(lease_, other.lease_);
  return *this;
}

Permit::~Permit() {
  if (lease_ != nullptr) client_->leases().HandBack({lease_});
}

uint64_t Permit::token() const { return lease_->task().token(); }

std::stop_token Permit::lost() const { return lease_->lost(); }

absl::Status Permit::Release() {
  if (lease_ == nullptr) {
    return absl::FailedPreconditionError("the permit was released already: acquire another");
  }
  const std::shared_ptr<client::ClientLease> lease = std::exchange(lease_, nullptr);
  return client_->leases().End(lease, v1::ATTEMPT_END_RELEASED);
}

absl::StatusOr<Semaphore> Semaphore::Open(Client& client, std::string_view name, int64_t value,
                                          LockOptions options) {
  if (value < 1) return absl::InvalidArgumentError("value must be at least 1");
  absl::Status status = internal::OpenBounded(client, Config(name, value));
  if (!status.ok()) return status;
  // While a permit lives its key names it, whoever opens the semaphore; and for a day after its
  // end.
  std::vector<FutureBase> permits;
  for (int64_t i = 0; i < value; ++i) {
    SubmitOptions submit = ForGood();
    submit.request_key = absl::StrCat("permit-", i);
    absl::StatusOr<client::EncodedTask> task =
        client::EncodeTask(std::string(name), submit, kPermitType, Payload());
    if (!task.ok()) return task.status();
    client::SubmitTraits traits;
    traits.until_accepted = true;
    permits.emplace_back(client.session().Submit(*std::move(task), traits));
  }
  for (const FutureBase& permit : permits) {
    status.Update(permit.Accepted(client.options().call_timeout).status());
  }
  if (!status.ok()) return status;
  const absl::StatusOr<v1::Queue> queue = client.GetQueue(name);
  if (!queue.ok()) return queue.status();
  const v1::QueueStats& stats = queue->stats();
  const int64_t there = stats.queued() + stats.scheduled() + stats.running();
  if (there < value) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", std::string(name), "' has ", there, " of its ", value,
        " permits: its queue was purged or deleted, or tasks of it were cancelled; use another "
        "name, or open it again when the broker has forgotten them, a day after their end "
        "(--request-key-window)"));
  }
  return Semaphore(client, std::string(name), std::move(options));
}

Semaphore::Semaphore(Client& client, std::string name, LockOptions options)
    : client_(&client), name_(std::move(name)), options_(std::move(options)) {}

absl::StatusOr<Permit> Semaphore::Acquire(bool blocking, Timeout timeout) {
  absl::StatusOr<client::ClientLeaseRef> lease =
      client_->leases().Take(client::LeaseWish(name_, std::string(kPermitType), options_.lease),
                             DeadlineAfter(blocking ? timeout : kNoWait), KeepWaiting);
  if (!lease.ok()) {
    return NotInTime(lease.status(), absl::StrCat("every permit of '", name_, "' is held"));
  }
  return Permit(*client_, *std::move(lease));
}

absl::StatusOr<int64_t> Semaphore::Free() {
  const absl::StatusOr<v1::Queue> queue = client_->GetQueue(name_);
  if (!queue.ok()) return queue.status();
  return queue->stats().queued();
}

absl::StatusOr<Lock> Lock::Open(Client& client, std::string_view name, LockOptions options) {
  absl::StatusOr<Semaphore> semaphore = Semaphore::Open(client, name, 1, std::move(options));
  if (!semaphore.ok()) return semaphore.status();
  return Lock(*std::move(semaphore));
}

absl::StatusOr<bool> Lock::Locked() {
  const absl::StatusOr<int64_t> free = semaphore_.Free();
  if (!free.ok()) return free.status();
  return *free == 0;
}

absl::StatusOr<Event> Event::Open(Client& client, std::string_view name) {
  const absl::Status status = internal::OpenBounded(client, Config(name, 1));
  if (!status.ok()) return status;
  return Event(client, std::string(name));
}

absl::Status Event::Set() {
  absl::StatusOr<client::EncodedTask> task =
      client::EncodeTask(name_, ForGood(), kEventType, Payload());
  if (!task.ok()) return task.status();
  client::SubmitTraits traits;
  traits.until_accepted = true;
  const FutureBase set(client_->session().Submit(*std::move(task), traits));
  const absl::Status status = set.Accepted(client_->options().call_timeout).status();
  // The queue holds one task at most: it is set already.
  return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
}

absl::StatusOr<v1::ListTasksResponse> Event::Tasks() {
  v1::ListTasksRequest request;
  request.set_queue(name_);
  request.set_page_size(limits::kPageSizeMax);
  return client_->ListTasks(request);
}

absl::Status Event::Clear() {
  const absl::StatusOr<v1::ListTasksResponse> tasks = Tasks();
  if (!tasks.ok()) return tasks.status();
  // A waiter may hold one just now: it ends when that waiter hands it on.
  for (const v1::Task& task : tasks->tasks()) {
    const absl::Status status = client_->CancelTask(task.task_id()).status();
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Event::IsSet() {
  const absl::StatusOr<v1::ListTasksResponse> tasks = Tasks();
  if (!tasks.ok()) return tasks.status();
  for (const v1::Task& task : tasks->tasks()) {
    if (!task.cancel_requested()) return true;
  }
  return false;
}

absl::Status Event::Wait(Timeout timeout) {
  const absl::StatusOr<client::ClientLeaseRef> glance =
      client_->leases().Take(client::LeaseWish(name_, std::string(kEventType), kGlance),
                             DeadlineAfter(timeout), KeepWaiting);
  if (!glance.ok()) {
    return NotInTime(glance.status(), absl::StrCat("event '", name_, "' was not set in time"));
  }
  // Whether it could be handed on or not, it was set.
  client_->leases().End(*glance, v1::ATTEMPT_END_RELEASED).IgnoreError();
  return absl::OkStatus();
}

}  // namespace treadle
