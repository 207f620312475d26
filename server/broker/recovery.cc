#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "server/broker/broker_impl.h"
#include "server/broker/row_key.h"

// The start: the engine as the store has it, and a session of this run's own.

namespace treadle::broker {
namespace {

constexpr int64_t kTellEveryMs = 1'000;
constexpr int64_t kLookAtClockEveryRows = 4'096;

// What others refer to comes first. What has ended, dead letters among it, and request keys stay
// where they are.
constexpr RowKind kOrder[] = {RowKind::kMeta,       RowKind::kQueue,   RowKind::kSession,
                              RowKind::kTask,       RowKind::kRun,     RowKind::kAttempt,
                              RowKind::kGrant,      RowKind::kReports, RowKind::kLetterGroup,
                              RowKind::kLetterMove, RowKind::kJob,     RowKind::kDrain,
                              RowKind::kOutput};

absl::Status ContinueClock(store::Store& store, RowDecoder& decoder, ServiceClock& clock) {
  const KeyRange range = RowsOf(RowKind::kClock);
  std::optional<ClockMark> last;
  absl::Status status;
  const absl::Status scanned =
      store.Scan(range.begin, range.end, [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<engine::Row> row = decoder.Decode(key, value);
        status = row.status();
        if (row.ok()) last = std::get<engine::ClockRow>(*row).mark;
        return status.ok();
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  clock.Continue(last);
  return absl::OkStatus();
}

}  // namespace

absl::Status Broker::Impl::Load(engine::Row row) {
  auto* const output = std::get_if<engine::OutputRow>(&row);
  if (output == nullptr) return engine_.Load(row);
  outputs_.Load(std::move(*output));
  return absl::OkStatus();
}

absl::Status Broker::Impl::Recover(engine::Incarnation incarnation,
                                   absl::AnyInvocable<void(int64_t rows)> progress) {
  store_.SetOnSynced(
      [inbox = inbox_](absl::StatusOr<store::Sequence> upto) { inbox->Synced(std::move(upto)); });
  writes_behind_ = store_.SetOnWritten(
      [inbox = inbox_](absl::StatusOr<store::Sequence> upto) { inbox->Written(std::move(upto)); });

  RowDecoder decoder;
  if (absl::Status status = ContinueClock(store_, decoder, clock_); !status.ok()) return status;
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
          status = row.ok() ? Load(*std::move(row)) : row.status();
          return status.ok();
        });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
  }
  StoredTasks stored(store_);
  outputs_.SweepFrom(stored.NextOutputToDropMs(/*from_ms=*/0));
  if (absl::Status status = stored.TakeFailure(); !status.ok()) return status;
  now_ms_ = marked_at_ms_ = clock_.NowMs();
  writes_.moved_at_ms = syncs_.moved_at_ms = now_ms_;
  engine_.FollowWall(clock_.WallOffsetMs());
  clock_was_set_ = true;  // the first turn tells the store
  if (absl::Status status = engine_.FinishLoad(now_ms_); !status.ok()) return status;
  progress(rows);

  // Its numbers are on the disk before anything else leaves: see Say(SessionOpened).
  Step(engine::BeginLife{incarnation});
  Step(engine::OpenSession{.call = kOwnCall, .for_unary = true});
  FinishTurn();
  return failure_;
}

}  // namespace treadle::broker
