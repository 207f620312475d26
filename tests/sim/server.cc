#include "tests/sim/server.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/broker/row_codec.h"
#include "server/broker/row_key.h"
#include "server/store/expiry.h"

namespace treadle::sim {
namespace {

// An engine as it would be after a restart, now.
uint64_t FingerprintOf(const Disk::Rows& rows, const engine::EngineOptions& options,
                       const Clock& clock) {
  const int64_t now_ms = clock.NowMs();
  engine::Engine engine(options);
  engine.FollowWall(clock.WallOffsetMs());
  broker::RowDecoder decoder;
  for (const auto& [key, value] : rows) {
    if (store::Expired(value, now_ms)) continue;
    const absl::StatusOr<engine::Row> row = decoder.Decode(key, value);
    if (!row.ok()) throw Violation(Promise::kNeverLost, row.status().ToString());
    const absl::Status loaded = engine.Load(*row);
    if (!loaded.ok()) throw Violation(Promise::kNeverLost, loaded.ToString());
  }
  const absl::Status finished = engine.FinishLoad(now_ms);
  if (!finished.ok()) throw Violation(Promise::kNeverLost, finished.ToString());
  engine.CheckInvariants();
  return engine.Fingerprint();
}

}  // namespace

Server::Server(const broker::BrokerOptions& options, Timeline& timeline, Random& random,
               Trace& trace, Oracle& oracle, Network& network, Disk& disk, Machine& machine)
    : options_(options),
      timeline_(timeline),
      random_(random),
      trace_(trace),
      oracle_(oracle),
      network_(network),
      disk_(disk),
      machine_(machine) {
  disk_.NoteFingerprint(engine::Engine(options.engine).Fingerprint());
  nothing_ = disk_.Backup();
}

void Server::Start() {
  trace_.Note("start");
  // No process is there again within the millisecond in which it began.
  timeline_.Advance(random_.Between(2, 20));
  StartClock();
  const uint64_t reloaded = FingerprintOf(disk_.rows(), options_.engine, *clock_);
  if (reloaded != disk_.durable_fingerprint()) {
    throw Violation(Promise::kNeverLost, "the rows do not load to the state that wrote them");
  }
  const engine::Incarnation incarnation = engine::IncarnationAt(timeline_.NowMs(), random_.Next());
  oracle_.Starting(incarnation, *clock_);
  store_ = disk_.Open(*clock_);
  broker_ = std::make_unique<broker::Broker>(options_, *clock_, *store_, network_);
  const absl::Status recovered = broker_->Recover(incarnation, [](int64_t) {});
  if (!recovered.ok()) {
    throw Violation(Promise::kNeverLost, absl::StrCat("recovery: ", recovered.ToString()));
  }
  fingerprint_ = broker_->engine().Fingerprint();
  disk_.NoteFingerprint(fingerprint_);
  oracle_.Recovered(broker_->engine());
  network_.SetBroker(broker_.get());
}

// The store's line of time never goes back. What it counts of the time between two runs is right
// when the machine was not booted, and otherwise never more than has passed: so no length that
// somebody was promised ends early, however wrong the clock is.
void Server::StartClock() {
  std::optional<ClockMark> last;
  const auto row = disk_.rows().find(std::string(1, static_cast<char>(broker::RowKind::kClock)));
  if (row != disk_.rows().end()) {
    const auto decoded = broker::RowDecoder().Decode(row->first, row->second);
    if (!decoded.ok()) throw Violation(Promise::kNeverLost, decoded.status().ToString());
    last = std::get<engine::ClockRow>(*decoded).mark;
  }
  clock_ = std::make_unique<ServiceClock>(machine_);
  clock_->Continue(last);
  if (!last.has_value()) return;
  const int64_t counted_ms = clock_->NowMs() - last->now_ms;
  const int64_t passed_ms = timeline_.NowMs() - machine_.TimeOf(*last);
  const bool exact = last->boot_id == machine_.BootId();
  if (counted_ms < 0 || counted_ms > passed_ms || (exact && counted_ms != passed_ms)) {
    throw Violation(Promise::kSurvivesStalls,
                    absl::StrCat("the broker was down for ", passed_ms, " ms, and its clock says ",
                                 counted_ms, " ms"));
  }
}

bool Server::Turn() {
  oracle_.TurnBegins();
  const uint64_t appends = disk_.appends();
  const absl::StatusOr<bool> done = broker_->Turn();
  if (!done.ok()) {
    trace_.Note("store failed");
    Crash(/*power=*/true);  // what a failed sync has left on the disk is not known
    return false;
  }
  if (!*done) return false;
  ++turns_;
  const uint64_t fingerprint = broker_->engine().Fingerprint();
  if (disk_.appends() == appends && fingerprint != fingerprint_) {
    throw Violation(Promise::kNeverLost, "the durable state has changed, and no row was stored");
  }
  fingerprint_ = fingerprint;
  disk_.NoteFingerprint(fingerprint);
  trace_.Note("turn", {fingerprint});
  oracle_.TurnEnded(broker_->engine(), broker_->figures().stalls);
  if (random_.OneIn(50)) CheckReload();
  return true;
}

void Server::CheckReload() {
  if (FingerprintOf(disk_.rows(), options_.engine, *clock_) != fingerprint_) {
    throw Violation(Promise::kNeverLost, "the rows do not load to the state that wrote them");
  }
}

void Server::Backup() {
  trace_.Note("backup");
  backup_ = disk_.Backup();
  oracle_.BackedUp();
}

void Server::LoseStore(bool restore) {
  const bool restored = restore && backup_.has_value();
  trace_.Note("store lost", {restored});
  disk_.Restore(restored ? *backup_ : nothing_);
  oracle_.StoreLost(restored);
}

void Server::DieInTurn(bool power, bool stored) {
  network_.swallow = true;
  if (!stored) disk_.fail_next_append = true;
  oracle_.TurnBegins();
  const uint64_t appends = disk_.appends();
  const absl::StatusOr<bool> done = broker_->Turn();
  if (done.ok() || disk_.appends() != appends) {
    disk_.NoteFingerprint(broker_->engine().Fingerprint());
  }
  disk_.fail_next_append = false;
  network_.swallow = false;
  Crash(power);
}

void Server::Crash(bool power) {
  trace_.Note("crash", {power});
  network_.SetBroker(nullptr);
  broker_.reset();
  store_.reset();
  disk_.Crash(power);
  oracle_.Crashed(power);
  if (power) machine_.Boot();
}

}  // namespace treadle::sim
