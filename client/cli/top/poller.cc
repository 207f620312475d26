#include "client/cli/top/poller.h"

#include <cstdint>
#include <utility>

#include "client/cli/console/human.h"
#include "client/session/watched_call.h"
#include <fmt/format.h>

#include "proto/support/limits.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli::top {
namespace {

// A broker that takes longer is as good as away; the screen says so before.
constexpr std::chrono::seconds kAnswerIn{10};
constexpr int32_t kOldestTasks = 5;
constexpr int32_t kGroups = 200;

}  // namespace

Broker::Broker(const Client& client)
    : admin_(v1::AdminService::NewStub(client.channel())),
      queues_(v1::QueueService::NewStub(client.channel())),
      tasks_(v1::TaskService::NewStub(client.channel())),
      dead_letters_(v1::DeadLetterService::NewStub(client.channel())) {}

absl::StatusOr<Snapshot> Broker::Ask(const Detail& detail) {
  Snapshot snapshot;
  snapshot.detail = detail;
  absl::StatusOr<v1::GetServerInfoResponse> server =
      client::WatchedCall(calls_, kAnswerIn, *admin_, &v1::AdminService::Stub::GetServerInfo,
                          v1::GetServerInfoRequest());
  if (!server.ok()) return server.status();
  snapshot.server = std::move(*server->mutable_server());

  v1::ListQueuesRequest queues;
  queues.set_page_size(limits::kPageSizeMax);
  do {
    absl::StatusOr<v1::ListQueuesResponse> page = client::WatchedCall(
        calls_, kAnswerIn, *queues_, &v1::QueueService::Stub::ListQueues, queues);
    if (!page.ok()) return page.status();
    for (v1::Queue& queue : *page->mutable_queues()) snapshot.queues.push_back(std::move(queue));
    queues.set_page_token(page->next_page_token());
  } while (!queues.page_token().empty());

  v1::ListWorkersRequest workers;
  workers.set_page_size(limits::kPageSizeMax);
  do {
    absl::StatusOr<v1::ListWorkersResponse> page = client::WatchedCall(
        calls_, kAnswerIn, *admin_, &v1::AdminService::Stub::ListWorkers, workers);
    if (!page.ok()) return page.status();
    for (v1::Worker& worker : *page->mutable_workers()) {
      snapshot.workers.push_back(std::move(worker));
    }
    workers.set_page_token(page->next_page_token());
  } while (!workers.page_token().empty());

  absl::Status status;
  if (!detail.queue.empty()) status.Update(AskForOldest(snapshot));
  if (detail.groups || !detail.queue.empty()) status.Update(AskForGroups(snapshot));
  if (!status.ok()) return status;
  return snapshot;
}

absl::Status Broker::AskForOldest(Snapshot& snapshot) {
  v1::ListTasksRequest request;
  request.set_queue(snapshot.detail.queue);
  request.set_page_size(kOldestTasks);
  const absl::StatusOr<v1::ListTasksResponse> page =
      client::WatchedCall(calls_, kAnswerIn, *tasks_, &v1::TaskService::Stub::ListTasks, request);
  if (absl::IsNotFound(page.status())) return absl::OkStatus();  // the queue has gone
  if (!page.ok()) return page.status();
  snapshot.more_oldest = !page->next_page_token().empty();
  for (const v1::Task& task : page->tasks()) {
    v1::ExplainTaskRequest explain;
    explain.set_task_id(task.task_id());
    absl::StatusOr<v1::ExplainTaskResponse> explained = client::WatchedCall(
        calls_, kAnswerIn, *tasks_, &v1::TaskService::Stub::ExplainTask, explain);
    if (absl::IsNotFound(explained.status())) continue;  // it has ended meanwhile
    if (!explained.ok()) return explained.status();
    snapshot.oldest.push_back(*std::move(explained));
  }
  return absl::OkStatus();
}

absl::Status Broker::AskForGroups(Snapshot& snapshot) {
  v1::ListDeadLetterGroupsRequest request;
  request.set_queue(snapshot.detail.queue);
  request.set_page_size(kGroups);
  absl::StatusOr<v1::ListDeadLetterGroupsResponse> page =
      client::WatchedCall(calls_, kAnswerIn, *dead_letters_,
                          &v1::DeadLetterService::Stub::ListDeadLetterGroups, request);
  if (absl::IsNotFound(page.status())) return absl::OkStatus();  // the queue has gone
  if (!page.ok()) return page.status();
  for (v1::DeadLetterGroup& group : *page->mutable_groups()) {
    snapshot.groups.push_back(std::move(group));
  }
  snapshot.more_groups = !page->next_page_token().empty();
  return absl::OkStatus();
}

absl::Status Broker::SetPaused(const std::string& queue, bool paused) {
  if (paused) {
    v1::PauseQueueRequest request;
    request.set_name(queue);
    return client::WatchedCall(calls_, kAnswerIn, *queues_, &v1::QueueService::Stub::PauseQueue,
                               request)
        .status();
  }
  v1::ResumeQueueRequest request;
  request.set_name(queue);
  return client::WatchedCall(calls_, kAnswerIn, *queues_, &v1::QueueService::Stub::ResumeQueue,
                             request)
      .status();
}

Poller::Poller(Broker& broker, std::chrono::milliseconds interval, std::function<void()> changed)
    : broker_(broker), changed_(std::move(changed)), interval_(interval) {
  started_ = internal::StartThread("the polls", thread_, [this] { Run(); });
}

Poller::~Poller() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  asked_.notify_all();
  broker_.Cancel();
  if (thread_.joinable()) thread_.join();
}

void Poller::Set(const Detail& detail, std::chrono::milliseconds interval) {
  std::lock_guard lock(mutex_);
  at_once_ = at_once_ || detail != detail_ || interval < interval_;
  detail_ = detail;
  interval_ = interval;
  asked_.notify_all();
}

void Poller::Do(Action action) {
  std::lock_guard lock(mutex_);
  action_ = std::move(action);
  asked_.notify_all();
}

Poller::News Poller::Take() {
  std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Poller::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const std::optional<Action> action = std::exchange(action_, std::nullopt);
    const Detail detail = detail_;
    at_once_ = false;
    lock.unlock();
    if (action.has_value()) Carry(*action);
    Poll(detail);
    changed_();
    lock.lock();
    asked_.wait_for(lock, interval_, [this] { return ended_ || at_once_ || action_.has_value(); });
  }
}

void Poller::Poll(const Detail& detail) {
  absl::StatusOr<Snapshot> snapshot = broker_.Ask(detail);
  Tell([&](News& news) {
    if (snapshot.ok()) {
      news.snapshot = std::make_shared<const Snapshot>(*std::move(snapshot));
      news.lost.reset();
    } else {
      news.lost = snapshot.status();
    }
  });
}

void Poller::Carry(const Action& action) {
  const absl::Status status = broker_.SetPaused(action.queue, action.pause);
  const std::string name = Printable(action.queue);
  Tell([&](News& news) {
    news.said =
        status.ok()
            ? fmt::format("queue '{}' is {}", name, action.pause ? "paused" : "resumed")
            : fmt::format("queue '{}' was not {}: {}", name, action.pause ? "paused" : "resumed",
                          std::string(status.message()));
  });
}

void Poller::Tell(const std::function<void(News&)>& news) {
  std::lock_guard lock(mutex_);
  news(news_);
}

}  // namespace treadle::cli::top
