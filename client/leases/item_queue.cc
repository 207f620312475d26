#include "treadle/internal/item_queue.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/future/future_state.h"
#include "client/future/task_spec.h"
#include "client/leases/held_leases.h"
#include "client/session/session.h"

#include "proto/support/limits.h"
#include "treadle/future.h"
#include "treadle/timeout.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kItemType = "treadle.item";
constexpr milliseconds kWaitIfFullMax(limits::kWaitIfFullMsMax);
// How long the broker's answer may take beyond the time that the put waits there.
constexpr milliseconds kAnswer(10'000);
// How long a put that is taken back waits for the word that it was.
constexpr milliseconds kTakenBack(1'000);
constexpr milliseconds kJoinPauseMin(2);
constexpr milliseconds kJoinPauseMax(250);

v1::Discipline OnTheWire(Discipline discipline) {
  switch (discipline) {
    case Discipline::kFifo:
      return v1::DISCIPLINE_FIFO;
    case Discipline::kLifo:
      return v1::DISCIPLINE_LIFO;
    case Discipline::kPriority:
      return v1::DISCIPLINE_PRIORITY;
  }
  return v1::DISCIPLINE_UNSPECIFIED;
}

v1::QueueConfig Config(std::string_view name, Discipline discipline, int64_t maxsize) {
  v1::QueueConfig config;
  config.set_name(std::string(name));
  config.set_discipline(OnTheWire(discipline));
  config.set_max_tasks(maxsize > 0 ? maxsize : limits::kQueueTasksMax);
  return config;
}

absl::Status CheckDiscipline(const v1::QueueConfig& found, v1::Discipline discipline) {
  if (found.discipline() == discipline) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("queue '", found.name(), "' exists with discipline ",
                                               v1::Discipline_Name(found.discipline()),
                                               ": use another name"));
}

absl::Status OpenAsItIs(Client& client, std::string_view name, Discipline discipline) {
  absl::StatusOr<v1::Queue> queue = client.GetQueue(name);
  if (absl::IsNotFound(queue.status())) {
    queue = client.CreateQueue(Config(name, discipline, 0));
    // Someone else was faster.
    if (absl::IsAlreadyExists(queue.status())) queue = client.GetQueue(name);
  }
  if (!queue.ok()) return queue.status();
  return CheckDiscipline(queue->config(), OnTheWire(discipline));
}

milliseconds RoundUp(Timeout timeout, milliseconds most) {
  if (timeout >= most) return most;
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(timeout.nanoseconds()));
}

ItemQueue::Item ItemOf(const client::ClientLease& lease) {
  const v1::LeasedTask& task = lease.task();
  ItemQueue::Item item;
  item.payload = Payload(task.payload(), task.content_type());
  item.priority = task.priority();
  item.token = task.token();
  return item;
}

absl::Status ShutDown(std::string_view name) {
  return Named(absl::FailedPreconditionError(
                   absl::StrCat("queue '", std::string(name), "' was shut down: use another")),
               error_name::kShutDown);
}

}  // namespace

// What was got or taken and is not done, in the order in which it came.
struct HeldItems {
  struct Entry {
    std::thread::id thread;  // that got it; none: it was taken, and its Hold knows it
    client::ClientLeaseRef lease;
  };

  // False: closed.
  bool Add(std::thread::id thread, client::ClientLeaseRef lease) {
    std::lock_guard lock(mutex);
    if (!closed) entries.push_back(Entry{thread, std::move(lease)});
    return !closed;
  }
  // Null: it is not here.
  client::ClientLeaseRef Remove(uint64_t token) {
    std::lock_guard lock(mutex);
    const auto found = Find(token);
    if (found == entries.end()) return nullptr;
    client::ClientLeaseRef lease = std::move(found->lease);
    entries.erase(found);
    return lease;
  }
  // REQUIRES: mutex is held.
  std::vector<Entry>::iterator Find(uint64_t token) {
    return std::find_if(entries.begin(), entries.end(), [token](const Entry& entry) {
      return entry.lease->task().token() == token;
    });
  }

  std::mutex mutex;
  // Protected by mutex.
  std::vector<Entry> entries;
  bool closed = false;
};

absl::Status OpenBounded(Client& client, const v1::QueueConfig& config) {
  absl::StatusOr<v1::Queue> queue = client.CreateQueue(config);
  if (absl::IsAlreadyExists(queue.status())) queue = client.GetQueue(config.name());
  if (!queue.ok()) return queue.status();
  const v1::QueueConfig& found = queue->config();
  absl::Status status = CheckDiscipline(found, config.discipline());
  if (!status.ok() || found.max_tasks() == config.max_tasks()) return status;
  return absl::AlreadyExistsError(absl::StrCat("queue '", config.name(), "' exists with max_tasks ",
                                               found.max_tasks(), ", not ", config.max_tasks(),
                                               ": open it as it is, or use another name"));
}

absl::StatusOr<std::unique_ptr<ItemQueue>> ItemQueue::Open(Client& client, std::string_view name,
                                                           Discipline discipline,
                                                           QueueOptions options) {
  absl::Status status = options.maxsize > 0
                            ? OpenBounded(client, Config(name, discipline, options.maxsize))
                            : OpenAsItIs(client, name, discipline);
  if (!status.ok()) return status;
  return std::unique_ptr<ItemQueue>(new ItemQueue(client, std::string(name), std::move(options)));
}

ItemQueue::ItemQueue(Client& client, std::string name, QueueOptions options)
    : client_(client),
      name_(std::move(name)),
      options_(std::move(options)),
      held_(std::make_shared<HeldItems>()) {}

ItemQueue::~ItemQueue() {
  std::vector<LeaseRef> leases;
  {
    std::lock_guard lock(held_->mutex);
    held_->closed = true;
    for (HeldItems::Entry& entry : held_->entries) leases.push_back(std::move(entry.lease));
    held_->entries.clear();
  }
  if (!leases.empty()) client_.leases().HandBack(leases);
}

FutureBase ItemQueue::StartPut(absl::StatusOr<Payload> item, int32_t priority, bool block,
                               Timeout timeout) {
  SubmitOptions submit;
  submit.priority = priority;
  submit.durability = options_.durability;
  // Nobody looks at an item's outcome, and it outlives any number of consumers.
  submit.result_ttl = milliseconds(0);
  submit.max_attempts = limits::kAttemptsMax;
  if (block && timeout > kNoWait) submit.wait_if_full = RoundUp(timeout, kWaitIfFullMax);
  if (!item.ok()) return FutureBase(client::EndedState(item.status()));
  absl::StatusOr<client::EncodedTask> task =
      client::EncodeTask(name_, submit, kItemType, *std::move(item));
  if (!task.ok()) return FutureBase(client::EndedState(task.status()));
  client::SubmitTraits traits;
  traits.until_accepted = true;
  return FutureBase(client_.session().Submit(*std::move(task), traits));
}

absl::Status ItemQueue::PutStatus(absl::Status end) const {
  if (absl::IsFailedPrecondition(end)) return ShutDown(name_);
  if (absl::IsResourceExhausted(end)) return Named(std::move(end), error_name::kFull);
  return end;
}

absl::Status ItemQueue::Put(absl::StatusOr<Payload> item, int32_t priority, bool block,
                            Timeout timeout) {
  const bool forever = block && timeout == kForever;
  const Timeout wait = block ? std::max(timeout, kNoWait) : kNoWait;
  while (true) {
    const auto began_at = steady_clock::now();
    const FutureBase put = StartPut(item, priority, block, timeout);
    absl::Status status = put.Accepted(forever ? kForever : wait + kAnswer).status();
    if (status.ok()) return status;
    if (!put.Done()) return TakeBack(put);
    // The broker lets nobody wait longer than that; whoever waits forever lines up again.
    const bool again = forever && absl::IsResourceExhausted(status) &&
                       steady_clock::now() >= began_at + kWaitIfFullMax;
    if (!again) return PutStatus(std::move(status));
  }
}

absl::Status ItemQueue::TakeBack(const FutureBase& put) {
  // Accepted, or refused, just now.
  if (!put.Cancel()) return PutStatus(put.Wait());
  // A cancelled put ends at once when it was not sent, and when the broker has cancelled the item.
  put.Wait(kTakenBack).IgnoreError();
  const std::string late =
      absl::StrCat("the broker did not answer the put into queue '", name_, "' in time");
  if (put.Cancelled()) return absl::UnavailableError(absl::StrCat(late, ": put it again"));
  return absl::AbortedError(absl::StrCat(
      late, "; it was sent, and is taken back if it still arrives, unless a consumer is faster"));
}

absl::Status ItemQueue::CheckOpen() {
  const absl::StatusOr<v1::Queue> queue = client_.GetQueue(name_);
  // The next question will tell, if the broker is away.
  if (!queue.ok()) return absl::IsNotFound(queue.status()) ? queue.status() : absl::OkStatus();
  const bool empty = queue->stats().queued() + queue->stats().scheduled() == 0;
  return queue->closed() && empty ? ShutDown(name_) : absl::OkStatus();
}

absl::StatusOr<ItemQueue::LeaseRef> ItemQueue::Lease(bool block, Timeout timeout) {
  const auto deadline = DeadlineAfter(block ? timeout : kNoWait);
  absl::StatusOr<LeaseRef> lease =
      client_.leases().Take(client::LeaseWish(name_, std::string(kItemType), options_.lease),
                            deadline, [this] { return CheckOpen(); });
  if (!lease.ok()) return lease.status();
  if (options_.done_at_get) {
    absl::Status status = client_.leases().End(*lease, v1::ATTEMPT_END_SUCCEEDED);
    if (!status.ok()) return status;
  }
  return lease;
}

absl::StatusOr<ItemQueue::Item> ItemQueue::Get(bool block, Timeout timeout) {
  absl::StatusOr<LeaseRef> lease = Lease(block, timeout);
  if (!lease.ok()) return lease.status();
  Item item = ItemOf(**lease);
  if (!options_.done_at_get) held_->Add(std::this_thread::get_id(), *std::move(lease));
  return item;
}

absl::StatusOr<ItemQueue::Taken> ItemQueue::Take(bool block, Timeout timeout) {
  absl::StatusOr<LeaseRef> lease = Lease(block, timeout);
  if (!lease.ok()) return lease.status();
  Taken taken;
  taken.item = ItemOf(**lease);
  if (options_.done_at_get) return taken;
  taken.hold.token_ = taken.item.token;
  taken.hold.leases_ = &client_.leases();
  held_->Add(std::thread::id(), *std::move(lease));
  taken.hold.held_ = held_;
  return taken;
}

absl::Status ItemQueue::Hold::Done() {
  if (held_ == nullptr) {
    return absl::FailedPreconditionError(
        "the item was done, or given back, before: say Done once for each");
  }
  const LeaseRef lease = std::exchange(held_, nullptr)->Remove(token_);
  if (lease == nullptr) {
    return absl::AbortedError("the queue's object was destroyed, and the item given back with it");
  }
  return leases_->End(lease, v1::ATTEMPT_END_SUCCEEDED);
}

void ItemQueue::Hold::GiveBack() {
  if (held_ == nullptr) return;
  const LeaseRef lease = std::exchange(held_, nullptr)->Remove(token_);
  if (lease != nullptr) leases_->HandBackSoon(lease);
}

void ItemQueue::Hold::LeaveToTaskDone() {
  const std::shared_ptr<HeldItems> held = std::exchange(held_, nullptr);
  if (held == nullptr) return;
  std::lock_guard lock(held->mutex);
  const auto found = held->Find(token_);
  if (found != held->entries.end()) found->thread = std::this_thread::get_id();
}

void ItemQueue::StartGet(Asked asked) {
  client::HeldLeases& leases = client_.leases();
  // Holds no more of this than it needs: it is destroyed on a thread that must not wait.
  leases.TakeOnce(
      client::LeaseWish(name_, std::string(kItemType), options_.lease), client::kQuestionWait,
      [&leases, held = held_, asked = std::move(asked)](absl::StatusOr<LeaseRef> lease) mutable {
        if (!lease.ok()) {
          asked(lease.status());
        } else if (*lease == nullptr) {
          asked(std::nullopt);
        } else if (!held->Add(std::this_thread::get_id(), *lease)) {
          leases.HandBackSoon(*lease);
          asked(absl::CancelledError("the queue's object was destroyed"));
        } else if (!asked(ItemOf(**lease)) && held->Remove((*lease)->task().token()) != nullptr) {
          leases.HandBackSoon(*lease);
        }
      });
}

void ItemQueue::GiveBack(uint64_t token) {
  const LeaseRef lease = held_->Remove(token);
  if (lease != nullptr) client_.leases().HandBackSoon(lease);
}

ItemQueue::LeaseRef ItemQueue::TakeHeld() {
  std::lock_guard lock(held_->mutex);
  std::vector<HeldItems::Entry>& entries = held_->entries;
  const auto first = [&](auto condition) {
    return std::find_if(entries.begin(), entries.end(), condition);
  };
  auto found = first(
      [](const HeldItems::Entry& entry) { return entry.thread == std::this_thread::get_id(); });
  if (found == entries.end()) {
    found = first([](const HeldItems::Entry& entry) { return entry.thread != std::thread::id(); });
  }
  if (found == entries.end()) return nullptr;
  LeaseRef lease = std::move(found->lease);
  entries.erase(found);
  return lease;
}

absl::Status ItemQueue::TaskDone() {
  const LeaseRef lease = TakeHeld();
  if (lease == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("TaskDone was called more often than items were got from queue '", name_,
                     "' here: call it once for each"));
  }
  return client_.leases().End(lease, v1::ATTEMPT_END_SUCCEEDED);
}

absl::Status ItemQueue::Join(Timeout timeout) {
  const auto deadline = DeadlineAfter(timeout);
  for (milliseconds pause = kJoinPauseMin;; pause = std::min(2 * pause, kJoinPauseMax)) {
    absl::StatusOr<v1::Queue> queue = client_.GetQueue(name_);
    if (absl::IsDeadlineExceeded(queue.status())) {
      queue = absl::UnavailableError(queue.status().message());  // a broker that hangs
    }
    if (!queue.ok() && !absl::IsUnavailable(queue.status())) return queue.status();
    const auto now = steady_clock::now();
    if (queue.ok()) {
      const v1::QueueStats& stats = queue->stats();
      const int64_t unfinished = stats.queued() + stats.scheduled() + stats.running();
      if (unfinished == 0) return absl::OkStatus();
      if (now >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat(
            unfinished, " items of queue '", name_, "' are not done yet: join again, or longer"));
      }
    } else if (now >= deadline) {
      return queue.status();
    }
    std::this_thread::sleep_until(std::min(deadline, now + pause));
  }
}

absl::StatusOr<int64_t> ItemQueue::Size() {
  const absl::StatusOr<v1::Queue> queue = client_.GetQueue(name_);
  if (!queue.ok()) return queue.status();
  return queue->stats().queued() + queue->stats().scheduled();
}

absl::StatusOr<bool> ItemQueue::Full() {
  const absl::StatusOr<v1::Queue> queue = client_.GetQueue(name_);
  if (!queue.ok()) return queue.status();
  return queue->stats().queued() + queue->stats().scheduled() >= queue->config().max_tasks();
}

absl::Status ItemQueue::Shutdown(bool immediate) {
  v1::UpdateQueueRequest close;
  close.set_name(name_);
  close.set_closed(true);
  absl::Status status = client_.UpdateQueue(close).status();
  if (status.ok() && immediate) status = client_.PurgeQueue(name_).status();
  return status;
}

}  // namespace treadle::internal
