#include "worker/session/lease_book.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "proto/support/utf8.h"
#include "proto/wire/column.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of about 1 KiB each, at most.
constexpr int kMessageProgressMax = 256;
constexpr size_t kMessageStartsMax = 4'096;

bool Unconfirmed(const LeaseBook::Lease& lease) {
  return !lease.confirmed && lease.attempt->info().confirm_start;
}

// What all attempts of a run have in common.
AttemptInfo ReadInfo(v1::LeasedTask& task, steady_clock::time_point now) {
  AttemptInfo info;
  info.queue = std::move(*task.mutable_queue());
  info.type = std::move(*task.mutable_type());
  info.content_type = std::move(*task.mutable_content_type());
  for (auto& [name, value] : *task.mutable_headers()) info.headers.emplace(name, std::move(value));
  info.attempt = task.attempt();
  info.max_attempts = task.max_attempts();
  info.priority = task.priority();
  info.timeout =
      milliseconds(std::clamp<int64_t>(task.attempt_timeout_ms(), 0, limits::kAttemptTimeoutMsMax));
  if (task.deadline_in_ms() > 0) {
    info.deadline = now + milliseconds(std::min(task.deadline_in_ms(), 2 * limits::kAheadMsMax));
  }
  info.confirm_start = task.confirm_start();
  return info;
}

}  // namespace

bool ReadRun(v1::LeasedRun& run, steady_clock::time_point now, std::vector<AttemptPtr>& attempts) {
  const absl::StatusOr<TaskId> first = TaskId::Parse(run.first().task_id());
  if (!first.ok() || run.payload_sizes().empty() ||
      wire::BytesOf(run.payload_sizes()) != run.payloads().size()) {
    return false;
  }
  TaskId task = *first;
  uint64_t token = run.first().token();
  const auto info = std::make_shared<const AttemptInfo>(ReadInfo(*run.mutable_first(), now));
  wire::ForEachItem(run.payload_sizes(), run.payloads(), [&](size_t, absl::string_view payload) {
    attempts.push_back(
        std::make_shared<Attempt>(AttemptId{task.ToString(), token}, info, std::string(payload)));
    ++task.sequence;
    ++token;
  });
  return true;
}

LeaseBook::LeaseBook(const std::vector<Room>& rooms) : accounts_(rooms.begin(), rooms.end()) {
  if (rooms.empty()) return;
  int64_t left = limits::kHeldMax;
  for (const Room& room : rooms) left -= room.slots;
  ahead_max_ = static_cast<int32_t>(std::max<int64_t>(0, left) / std::ssize(rooms));
}

void LeaseBook::Add(std::vector<AttemptPtr>& attempts, int32_t pool) {
  if (attempts.empty()) return;
  Account& account = AccountOf(pool);
  const bool slot_was_free = account.held < account.room.slots;
  size_t behind = attempts.size();
  std::erase_if(attempts, [&](const AttemptPtr& attempt) {
    Lease* const lease = PlaceOf(attempt->token(), --behind);
    if (lease == nullptr) return true;
    lease->attempt = attempt;
    lease->pool = pool;
    attempt->lease_ = lease;
    ++held_;
    ++account.held;
    // A broker that gives more than it was promised is not owed anything for it.
    if (account.promised > 0) --account.promised;
    return false;
  });
  if (slot_was_free && account.promised == 0) account.room.prefetch.Starved();
}

LeaseBook::Block::Block(uint64_t first_token, size_t places) : first(first_token), leases(places) {
  for (Lease& lease : leases) lease.block = this;
}

LeaseBook::Lease* LeaseBook::FindPlace(uint64_t token) {
  const auto after = blocks_.upper_bound(token);
  if (after == blocks_.begin()) return nullptr;
  Block& block = *std::prev(after)->second;
  return token - block.first < block.leases.size() ? &block.leases[token - block.first] : nullptr;
}

LeaseBook::Lease* LeaseBook::PlaceOf(uint64_t token, size_t more) {
  Lease* place = FindPlace(token);
  if (place == nullptr) {
    const auto next = blocks_.lower_bound(token);
    uint64_t places = std::min<uint64_t>(kBlockMax, more + 1);
    if (next != blocks_.end()) places = std::min(places, next->first - token);
    const auto made = blocks_.emplace_hint(next, token, std::make_unique<Block>(token, places));
    place = &made->second->leases.front();
  }
  if (place->attempt != nullptr) return nullptr;
  ++place->block->held;
  return place;
}

void LeaseBook::Free(Lease& lease) {
  Block& block = *lease.block;
  lease = Lease();
  lease.block = &block;
  --held_;
  if (--block.held == 0) blocks_.erase(block.first);
}

LeaseBook::Lease* LeaseBook::Find(uint64_t token) {
  Lease* const place = FindPlace(token);
  return place == nullptr || place->attempt == nullptr ? nullptr : place;
}

void LeaseBook::Begin(Lease& lease) {
  lease.running = true;
  ++AccountOf(lease.pool).running;
  begun_.push_back(lease.attempt->token());
}

void LeaseBook::Lose(uint64_t token) {
  Lease* const lease = Find(token);
  if (lease == nullptr) return;
  if (lease->progress != nullptr) std::erase(progress_, token);
  const Attempt& attempt = *lease->attempt;
  attempt.lease_ = nullptr;
  lost_.emplace(&attempt, std::move(*lease));
  Free(*lease);
}

void LeaseBook::Remove(const Attempt& attempt) {
  if (Lease* const lease = Find(attempt)) {
    if (lease->progress != nullptr) std::erase(progress_, attempt.token());
    MakeRoom(*lease);
    attempt.lease_ = nullptr;
    Free(*lease);
  } else if (const auto it = lost_.find(&attempt); it != lost_.end()) {
    MakeRoom(it->second);
    lost_.erase(it);
  }
}

void LeaseBook::MakeRoom(const Lease& lease) {
  Account& account = AccountOf(lease.pool);
  --account.held;
  if (!lease.running) return;
  --account.running;
  account.room.prefetch.Ended();
}

void LeaseBook::FillHello(v1::WorkerHello& hello) {
  begun_.clear();
  for (const auto& [first, block] : blocks_) {
    for (Lease& lease : block->leases) {
      if (lease.attempt == nullptr) continue;
      const uint64_t token = lease.attempt->token();
      hello.add_held_tokens(token);
      lease.told = false;
      if (lease.running) begun_.push_back(token);
    }
  }
  for (Account& account : accounts_) account.promised = 0;
}

void LeaseBook::FillStarts(v1::AttachRequest& request, std::vector<uint64_t>& to_confirm) {
  const auto end = begun_.begin() + static_cast<long>(std::min(begun_.size(), kMessageStartsMax));
  for (auto token = begun_.begin(); token != end; ++token) {
    Lease* const lease = Find(*token);
    if (lease == nullptr || lease->told || !lease->running) continue;
    request.add_started_tokens(*token);
    lease->told = true;
    if (Unconfirmed(*lease)) to_confirm.push_back(*token);
  }
  begun_.erase(begun_.begin(), end);
}

void LeaseBook::Report(const Attempt& attempt, double fraction, std::string_view message) {
  Lease* const lease = Find(attempt);
  if (lease == nullptr) return;
  if (lease->progress == nullptr) {
    lease->progress = std::make_unique<v1::Progress>();
    progress_.push_back(attempt.token());
  }
  lease->progress->set_fraction(std::isnan(fraction) ? -1 : std::clamp(fraction, -1.0, 1.0));
  lease->progress->set_message(CutMiddle(message, limits::kProgressMessageBytesMax));
}

void LeaseBook::FillProgress(v1::AttachRequest& request) {
  for (int i = 0; i < kMessageProgressMax && !progress_.empty(); ++i) {
    Lease& lease = *Find(progress_.back());
    v1::ProgressReport& report = *request.add_progress();
    report.set_token(progress_.back());
    *report.mutable_progress() = *std::exchange(lease.progress, nullptr);
    progress_.pop_back();
  }
}

int32_t LeaseBook::Due(const Account& account) const {
  if (withdrawn_ || !account.serves) return 0;
  const int32_t room = account.room.slots + std::min(account.room.prefetch.count(), ahead_max_);
  return std::max(0, room - account.held - account.promised);
}

int64_t LeaseBook::RoomInHello(int64_t reports) const {
  int64_t room = limits::kHeldMax - reports;
  for (const Account& account : accounts_) room -= account.held + account.promised;
  return room;
}

bool LeaseBook::has_credit(int64_t reports) const {
  return RoomInHello(reports) > 0 &&
         std::any_of(accounts_.begin(), accounts_.end(),
                     [this](const Account& account) { return Due(account) > 0; });
}

void LeaseBook::FillCredit(v1::AttachRequest& request, int64_t reports) {
  for (size_t pool = 0; pool < accounts_.size(); ++pool) {
    const auto due =
        static_cast<int32_t>(std::min<int64_t>(Due(accounts_[pool]), RoomInHello(reports)));
    if (due <= 0) continue;
    v1::Credit& credit = *request.add_credits();
    credit.set_pool(static_cast<int32_t>(pool));
    credit.set_tasks(due);
    accounts_[pool].promised += due;
  }
}

void LeaseBook::WithdrawCredit() {
  withdrawn_ = true;
  for (Account& account : accounts_) account.promised = 0;
}

void LeaseBook::Tick() {
  for (Account& account : accounts_) account.room.prefetch.Tick();
}

int64_t LeaseBook::Surplus(int32_t pool) const {
  const Account& account = accounts_[static_cast<size_t>(pool)];
  if (account.room.prefetch.fixed()) return 0;
  return account.held - account.room.slots - account.room.prefetch.surplus_above();
}

}  // namespace treadle::worker
