#include "client/cli/console/disk_hint.h"

#include <chrono>
#include <utility>

#include "client/session/watched_call.h"
#include <fmt/format.h>

#include "proto/wire/disk_hung.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

constexpr std::chrono::seconds kDiskLookEvery{2};
constexpr std::chrono::seconds kAnswerIn{2};

}  // namespace

DiskHint::DiskHint(Client& client, std::function<void(const std::string&)> say)
    : admin_(v1::AdminService::NewStub(client.channel())), say_(std::move(say)) {
  // A system that has no thread left gets no hint.
  (void)internal::StartThread("a hint", thread_, [this] { Run(); });
}

DiskHint::~DiskHint() {
  calls_.CancelAll();
  if (thread_.joinable()) thread_.join();
}

void DiskHint::Run() {
  bool hangs = false;
  while (calls_.SleepUntil(std::chrono::steady_clock::now() + kDiskLookEvery)) {
    const std::optional<int64_t> hung_ms = AskHungMs();
    if (!hung_ms.has_value()) continue;
    const bool hung = *hung_ms > 0;
    if (std::exchange(hangs, hung) == hung) continue;
    say_(hangs ? fmt::format("{}: waiting for it (Ctrl-C ends the wait)",
                             wire::DiskHungText(*hung_ms))
               : "the broker's disk answers again");
  }
}

std::optional<int64_t> DiskHint::AskHungMs() {
  const absl::StatusOr<v1::GetServerInfoResponse> response =
      client::WatchedCall(calls_, kAnswerIn, *admin_, &v1::AdminService::Stub::GetServerInfo,
                          v1::GetServerInfoRequest());
  return response.ok() ? std::optional(response->server().disk_hung_ms()) : std::nullopt;
}

}  // namespace treadle::cli
