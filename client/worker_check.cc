#include "client/worker_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session/session.h"
#include "client/session/watched_call.h"

#include "treadle/internal/start_thread.h"
#include "treadle/named_error.h"
#include "treadle/timeout.h"

namespace treadle::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookMin(20);
constexpr milliseconds kLookMax(5'000);
// What a worker may need to find a broker that has come back: its longest pause between two
// attempts, and one attempt.
constexpr milliseconds kReconnect(7'000);

template <typename Values>
bool HasOrEmpty(const Values& values, const std::string& value) {
  return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

bool Serves(const v1::Worker& worker, const std::string& queue, const std::string& type) {
  if (!worker.connected() || worker.draining() || worker.queues().empty()) return false;
  if (!HasOrEmpty(worker.queues(), queue)) return false;
  return std::any_of(
      worker.pools().begin(), worker.pools().end(),
      [&](const v1::WorkerPoolStats& pool) { return HasOrEmpty(pool.types(), type); });
}

absl::StatusOr<std::vector<v1::Worker>> AskForWorkers(v1::AdminService::Stub& admin, Watches& calls,
                                                      Timeout call_timeout) {
  std::vector<v1::Worker> workers;
  v1::ListWorkersRequest request;
  request.set_page_size(limits::kPageSizeMax);
  do {
    absl::StatusOr<v1::ListWorkersResponse> page =
        WatchedCall(calls, call_timeout, admin, &v1::AdminService::Stub::ListWorkers, request);
    if (!page.ok()) return page.status();
    for (v1::Worker& worker : *page->mutable_workers()) workers.push_back(std::move(worker));
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return workers;
}

WorkerCheck::WorkerCheck(Client& client, Session& session, std::string queue,
                         milliseconds broken_after)
    : client_options_(client.options()),
      admin_(v1::AdminService::NewStub(client.channel())),
      queues_(v1::QueueService::NewStub(client.channel())),
      session_(session),
      queue_(std::move(queue)),
      broken_after_(broken_after) {
  started_ = internal::StartThread("broken_after", thread_, [this] { Run(); });
}

WorkerCheck::~WorkerCheck() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  calls_.CancelAll();
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<uint32_t> WorkerCheck::GroupOf(std::string_view type) {
  if (!started_.ok()) return started_;
  std::lock_guard lock(mutex_);
  auto found = types_.find(type);
  if (found == types_.end()) {
    Type added;
    added.group = session_.NewGroup();
    added.served_at = steady_clock::now();
    found = types_.emplace(type, std::move(added)).first;
  }
  if (found->second.broken.has_value()) return *found->second.broken;
  return found->second.group;
}

std::vector<uint32_t> WorkerCheck::Groups() {
  std::vector<uint32_t> groups;
  std::lock_guard lock(mutex_);
  for (const auto& [name, type] : types_) groups.push_back(type.group);
  return groups;
}

void WorkerCheck::Run() {
  const milliseconds interval = std::clamp(broken_after_ / 4, kLookMin, kLookMax);
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, interval, [this] { return stopping_; })) {
    lock.unlock();
    Look();
    lock.lock();
  }
}

void WorkerCheck::Look() {
  std::vector<std::pair<std::string, uint32_t>> waiting;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, type] : types_) {
      if (!type.broken.has_value()) waiting.emplace_back(name, type.group);
    }
  }
  std::erase_if(waiting, [this](const auto& type) {
    if (session_.HasPending(type.second)) return false;
    std::lock_guard lock(mutex_);
    types_.find(type.first)->second.served_at = steady_clock::now();
    return true;
  });
  if (waiting.empty()) return;
  const Survey survey = Ask();
  const TimePoint now = steady_clock::now();
  for (const auto& [name, group] : waiting) {
    absl::Status broken;
    {
      std::lock_guard lock(mutex_);
      Type& type = types_.find(name)->second;
      if (survey.unknown) {
        type.served_at = now + kReconnect;
      } else if (IsServed(survey, name)) {
        type.served_at = now;
      }
      if (Timeout(now - type.served_at) < broken_after_) continue;
      broken =
          Named(absl::FailedPreconditionError(absl::StrCat(
                    "no worker has taken tasks of type '", name, "' from queue '", queue_, "' for ",
                    broken_after_.count(), " ms: start one, and submit through a new executor")),
                error_name::kBrokenPool);
      type.broken = broken;
    }
    session_.GiveUp(group, broken);
  }
}

WorkerCheck::Survey WorkerCheck::Ask() {
  Survey survey;
  absl::StatusOr<std::vector<v1::Worker>> workers =
      AskForWorkers(*admin_, calls_, client_options_.call_timeout);
  const absl::StatusOr<v1::Queue> queue = AskForQueue();
  // A queue that is not there yet has no workers of the unary kind at work.
  if (!workers.ok() || (!queue.ok() && !absl::IsNotFound(queue.status()))) {
    survey.unknown = true;
    return survey;
  }
  survey.workers = *std::move(workers);
  if (!queue.ok()) return survey;
  const v1::QueueStats& stats = queue->stats();
  const int64_t ended = stats.succeeded_total() + stats.failed_total() + stats.retried_total();
  survey.working = stats.running() > 0 || (ended_total_ >= 0 && ended != ended_total_);
  ended_total_ = ended;
  return survey;
}

absl::StatusOr<v1::Queue> WorkerCheck::AskForQueue() {
  v1::GetQueueRequest request;
  request.set_name(queue_);
  absl::StatusOr<v1::GetQueueResponse> response = WatchedCall(
      calls_, client_options_.call_timeout, *queues_, &v1::QueueService::Stub::GetQueue, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_queue());
}

bool WorkerCheck::IsServed(const Survey& survey, const std::string& type) const {
  if (survey.working) return true;
  return std::any_of(survey.workers.begin(), survey.workers.end(),
                     [&](const v1::Worker& worker) { return Serves(worker, queue_, type); });
}

}  // namespace treadle::client
