#include "client/cli/disk_hint.h"

#include <chrono>
#include <utility>

#include "client/start_thread.h"
#include "client/timeout.h"
#include <fmt/format.h>

#include "proto/wire/disk_hung.h"

namespace treadle::cli {
namespace {

constexpr std::chrono::seconds kLookEvery{2};
constexpr std::chrono::seconds kAnswerIn{2};

}  // namespace

DiskHint::DiskHint(Client& client, std::function<void(const std::string&)> say)
    : admin_(v1::AdminService::NewStub(client.channel())), say_(std::move(say)) {
  // A system that has no thread left gets no hint.
  (void)StartThread("a hint", thread_, [this] { Run(); });
}

DiskHint::~DiskHint() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    if (question_ != nullptr) question_->TryCancel();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DiskHint::Run() {
  bool hangs = false;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookEvery, [this] { return ended_; })) {
    const std::optional<int64_t> hung_ms = AskHungMs(lock);
    if (!hung_ms.has_value() || ended_) continue;
    const bool hung = *hung_ms > 0;
    if (std::exchange(hangs, hung) == hung) continue;
    lock.unlock();
    say_(hangs ? fmt::format("{}: waiting for it (Ctrl-C ends the wait)",
                             wire::DiskHungText(*hung_ms))
               : "the broker's disk answers again");
    lock.lock();
  }
}

std::optional<int64_t> DiskHint::AskHungMs(std::unique_lock<std::mutex>& lock) {
  grpc::ClientContext context;
  context.set_deadline(CallDeadline(kAnswerIn));
  v1::GetServerInfoResponse response;
  question_ = &context;
  lock.unlock();
  const grpc::Status status =
      admin_->GetServerInfo(&context, v1::GetServerInfoRequest(), &response);
  lock.lock();
  question_ = nullptr;
  return status.ok() ? std::optional(response.server().disk_hung_ms()) : std::nullopt;
}

}  // namespace treadle::cli
