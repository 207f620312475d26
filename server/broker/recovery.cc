#include <cstdint>
#include <utility>
#include <variant>

#include "server/broker/broker_impl.h"
#include "server/broker/row_key.h"

// The start: the engine as the store has it, and a session of this run's own.

namespace treadle::broker {
namespace {

constexpr int64_t kTellEveryMs = 1'000;
constexpr int64_t kLookAtClockEveryRows = 4'096;

// What others refer to comes first. What has ended and request keys stay where they are.
constexpr RowKind kOrder[] = {RowKind::kMeta, RowKind::kQueue,   RowKind::kSession,
                              RowKind::kTask, RowKind::kAttempt, RowKind::kGrant};

// Leases of tasks whose durability is MEMORY or WRITTEN leave before they are on disk: a power cut
// can make the stored counter forget them. So each run begins in a block of tokens of its own,
// which is on disk before anything leaves. 2^36 tokens last 19 hours at a million a second, without
// one sync in between; and 2^17 runs fit into the 2^53 that a JavaScript number holds.
constexpr uint64_t kTokensOfARun = uint64_t{1} << 36;

void BeginTokensOfARun(engine::Row& row) {
  if (auto* meta = std::get_if<engine::MetaRow>(&row)) {
    meta->next_token = (meta->next_token / kTokensOfARun + 1) * kTokensOfARun;
  }
}

}  // namespace

absl::Status Broker::Impl::Recover(absl::AnyInvocable<void(int64_t rows)> progress) {
  store_.SetOnSynced(
      [inbox = inbox_](absl::StatusOr<store::Sequence> upto) { inbox->Synced(std::move(upto)); });
  writes_later_ = store_.SetOnWritten(
      [inbox = inbox_](absl::StatusOr<store::Sequence> upto) { inbox->Written(std::move(upto)); });

  RowDecoder decoder;
  int64_t rows = 0;
  int64_t told_at_ms = clock_.NowMs();
  for (const RowKind kind : kOrder) {
    const KeyRange range = RowsOf(kind);
    absl::Status status;
    const absl::Status scanned =
        store_.Scan(range.begin, range.end, [&](std::string_view key, std::string_view value) {
          if (++rows % kLookAtClockEveryRows == 0 && clock_.NowMs() - told_at_ms >= kTellEveryMs) {
            told_at_ms = clock_.NowMs();
            progress(rows);
          }
          absl::StatusOr<engine::Row> row = decoder.Decode(key, value);
          if (row.ok()) BeginTokensOfARun(*row);
          status = row.ok() ? engine_.Load(*row) : row.status();
          return status.ok();
        });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
  }
  now_ms_ = clock_.NowMs();
  if (absl::Status status = engine_.FinishLoad(now_ms_); !status.ok()) return status;
  progress(rows);

  Step(engine::OpenSession{.call = kOwnCall, .for_unary = true});
  FinishTurn();
  return failure_;
}

}  // namespace treadle::broker
