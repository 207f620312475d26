#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"
#include "tests/sim/single_tasks.h"

namespace treadle::sim {

using engine::Durability;
using engine::Token;

void Oracle::Released(const broker::Delivery& delivery) {
  std::visit([&](const auto& event) { Said(event); }, delivery);
}

void Oracle::Said(const engine::SessionOpened& event) {
  const auto opening = opening_.extract(event.call);
  if (!event.status.ok()) {
    if (absl::IsNotFound(event.status) && given_sessions_.contains(event.session)) {
      ++counts_.thieves;  // or it was forgotten
    }
    return;
  }
  const std::string what = absl::StrCat("session ", event.session);
  const auto [given, first] = given_sessions_.emplace(event.session, event.secret);
  if (!event.resumed) {
    Expect(first && !unary_sessions_.contains(event.session), Promise::kGivenOnce,
           absl::StrCat(what, " is given a second time"));
  } else {
    Expect(!first && !opening.empty() && opening.mapped().secret == given->second,
           Promise::kGivenOnce, absl::StrCat(what, " is resumed without its secret"));
  }
  sessions_[event.call] = event.session;
}

std::optional<TaskId> Oracle::KeyHolder(const Ledger::RequestKey& key, int64_t for_ms) const {
  const auto row = live_.keys.find(key);
  if (row == live_.keys.end()) return std::nullopt;
  const Ledger::Task* task = live_.Find(row->second.task);
  const bool in_force =
      task != nullptr && (!task->finished || row->second.expires_at_ms > NowMs() + for_ms);
  return in_force ? std::optional(row->second.task) : std::nullopt;
}

void Oracle::Said(const engine::Submitted& event) {
  for (const engine::Submitted& answer : AnswersOf(event)) SaidOfTask(answer);
}

void Oracle::SaidOfTask(const engine::Submitted& event) {
  const auto session = sessions_.find(event.call);
  const auto found = asking_.find(session == sessions_.end()
                                      ? Asker{0, event.call, event.item}
                                      : Asker{session->second, engine::CallId{}, event.item});
  Expect(found != asking_.end(), Promise::kSafeToRepeat, "a submit is answered that nobody sent");
  const Asking& asking = found->second;  // stays: a sequence may be sent twice on one call
  const std::string id = event.id.ToString();
  trace_.Note(event.status.ok() ? "acknowledged" : "refused", event.id,
              {static_cast<uint64_t>(event.call), event.item});
  std::vector<Waiting>& waiting = waiting_[asking.queue];
  std::erase_if(waiting, [&](Waiting& one) {
    if (one.id != asking.id) return false;
    one.vague = true;  // an earlier stream's answer, while it waits for a newer one
    return one.call == event.call;
  });

  const auto key = keys_.find({asking.queue, asking.key});
  // At the edge of its window the answer may be either. Beyond it another task may have it, which
  // CheckKey has seen.
  const bool key_in_force =
      key != keys_.end() && KeyHolder(key->first, /*for_ms=*/1) == key->second.task;
  if (!event.status.ok()) {
    ++counts_.refused;
    Expect(!event.status.message().empty(), Promise::kBounded, "a refusal without a reason");
    Expect(!absl::IsInternal(event.status) && !absl::IsUnknown(event.status), Promise::kBounded,
           std::string(event.status.message()));
    Expect(!absl::IsAlreadyExists(event.status) || !key_in_force ||
               !(key->second.digest == asking.digest),
           Promise::kSafeToRepeat,
           absl::StrCat("the same task again is refused: ", event.status.ToString()));
    const Ledger::Task* accepted = live_.Find(asking.id);
    Expect(!asking.sequenced || asking.twice || accepted == nullptr ||
               !absl::IsResourceExhausted(event.status),
           Promise::kSafeToRepeat,
           absl::StrCat(id, " was accepted, and is refused when it comes again"));
    return;
  }

  ++(event.existing ? counts_.existing : counts_.accepted);
  Expect(event.existing || event.id == asking.id, Promise::kSafeToRepeat,
         absl::StrCat(id, " answers another task"));
  const Ledger& safe = event.durability == Durability::kSynced ? durable_ : live_;
  Expect(safe.Find(event.id) != nullptr, Promise::kNeverLost,
         absl::StrCat(id, " is acknowledged before it is stored as safely as it says"));
  const auto stored_key = live_.keys.find({asking.queue, asking.key});
  // A sequence that comes again is its own first task, whoever has the key by now.
  const bool names_key =
      event.existing || (stored_key != live_.keys.end() && stored_key->second.task == event.id);
  // The answer may have waited for the disk, and meanwhile its key has become another task's.
  // So has one on an earlier stream, for what was asked again since.
  const bool may_be_old =
      asking.key_holder == event.id || asking.twice || asking.call != event.call;
  const bool was_so = event.existing && may_be_old && key_in_force && key->second.task != event.id;
  if (!asking.key.empty() && names_key && !was_so) {
    Expect(!key_in_force || key->second.task == event.id, Promise::kSafeToRepeat,
           absl::StrCat("key ", asking.key, " names ", id, " after ",
                        key_in_force ? key->second.task.ToString() : ""));
    Expect(!key_in_force || key->second.digest == asking.digest, Promise::kSafeToRepeat,
           absl::StrCat("key ", asking.key, " accepts other content"));
    keys_[{asking.queue, asking.key}] = Key{event.id, asking.digest};
  }
  Durability& level = acknowledged_[event.id];
  level = std::max(level, event.durability);
}

void Oracle::CheckUnknown(TaskId id) const {
  const Ledger::Task* task = live_.Find(id);
  const bool dropped =
      task != nullptr && task->finished && (!task->kept || task->outcome.drop_at_ms <= NowMs());
  Expect(task == nullptr || dropped, Promise::kNeverLost,
         absl::StrCat(id.ToString(), " is said to be unknown"));
}

// The answer may have waited for the disk: it holds for when it was asked, unless it was awaited.
void Oracle::CheckUnknown(engine::CallId call, TaskId id) {
  const auto early = asked_too_early_.find({call, id});
  if (early == asked_too_early_.end()) return CheckUnknown(id);
  if (--early->second == 0) asked_too_early_.erase(early);
}

void Oracle::Said(const broker::TaskUnknown& unknown) {
  ++counts_.unknown;
  trace_.Note("unknown", unknown.task, {static_cast<uint64_t>(unknown.call)});
  CheckUnknown(unknown.call, unknown.task);
}

void Oracle::Said(const engine::CancelDone& event) {
  if (absl::IsNotFound(event.status)) CheckUnknown(event.call, event.task);
}

void Oracle::Said(const engine::WorkerAttached& event) {
  const auto attaching = attaching_.extract(event.call);
  const std::string& worker_id = workers_[event.call];
  if (!attaching.empty() && event.status.ok() && streams_[worker_id] == event.call) {
    heard_at_ms_[worker_id] = std::max(heard_at_ms_[worker_id], attaching.mapped());
  }
  for (const Token token : event.revoked_tokens) {
    Expect(!IsLive(token), Promise::kSurvivesStalls,
           absl::StrCat("lease ", static_cast<uint64_t>(token), " is revoked though it lives"));
  }
}

void Oracle::Said(const engine::ReportDone& event) {
  const auto unary = reporting_.extract(event.call);
  if (event.status.ok()) return;
  ++counts_.reports_refused;
  Expect(unary.empty() || !live_.Has(unary.mapped()), Promise::kSafeToRepeat,
         absl::StrCat("the report of token ", static_cast<uint64_t>(event.token),
                      " was accepted, and is refused when it comes again"));
  refused_.insert({event.call, event.token});
  Expect(!event.status.message().empty(), Promise::kBounded, "a refusal without a reason");
}

void Oracle::Said(const engine::ReportsHandled& event) {
  for (const auto& [sequence, token] : reports_[event.call]) {
    if (sequence > event.sequence || refused_.contains({event.call, token})) continue;
    const Ledger::Task* task = live_.Find(leases_[token].task);
    if (task == nullptr || task->row.spec.durability != Durability::kSynced) continue;
    task = durable_.Find(task->row.id);
    Expect(task != nullptr && (task->finished || task->lease != token), Promise::kNeverLost,
           absl::StrCat("the report for lease ", static_cast<uint64_t>(token),
                        " is said to be safe before it is"));
  }
}

void Oracle::Said(const engine::LeaseExtended& event) {
  const auto lease = leases_.find(event.token);
  if (lease == leases_.end()) return;
  const auto asked = lease->second.extensions.find(event.call);
  if (asked == lease->second.extensions.end()) return;
  const Extension& extension = asked->second;
  if (event.status.ok()) lease->second.promised_until_ms = extension.until_ms;
  if (event.status.ok() && extension.late) lease->second.until_ms = extension.until_ms;
  lease->second.extensions.erase(asked);
}

void Oracle::Said(const broker::Leased& leased) {
  for (const broker::LeasedRun& run : leased.runs) {
    if (run.lease.tasks > 1) ++counts_.runs_leased;
  }
  for (const auto& [lease, payload] : LeasesOf(leased)) SaidOfLease(leased.call, lease, payload);
}

void Oracle::SaidOfLease(engine::CallId call, const engine::Lease& given,
                         std::string_view payload) {
  const auto token = static_cast<uint64_t>(given.token);
  const std::string what = absl::StrCat("lease ", token, " of ", given.task.ToString());
  Lease& lease = leases_[given.token];
  Expect(lease.task == given.task && !lease.released, Promise::kOneLease,
         absl::StrCat(what, " is given out twice, or never was"));
  lease.released = true;
  const auto stream = streams_.find(lease.worker);
  if (stream != streams_.end() && stream->second == call) lease.not_named = false;
  const Ledger::Task* task = live_.Find(given.task);
  Expect(task != nullptr, Promise::kOneLease, absl::StrCat(what, ": no such task"));
  if (task->row.spec.durability == Durability::kSynced) {
    Expect(durable_.last_token >= token, Promise::kOneLease,
           absl::StrCat(what, " leaves before it is stored"));
  }
  Expect(payload == task->payload, Promise::kNeverLost,
         absl::StrCat(what, " comes with another payload"));
  last_token_released_ = std::max(last_token_released_, token);
}

void Oracle::Said(const broker::OutcomeReady& outcome) {
  const engine::FinishedRow& row = *outcome.row;
  counts_.outcomes += row.tasks;
  if (row.tasks > 1) ++counts_.runs_told;
  trace_.Note("told", row.id, {static_cast<uint64_t>(outcome.call), row.tasks});
  CheckTold(row);
}

void Oracle::Said(const broker::TaskSeen& seen) {
  if (seen.progress.message.empty()) return;
  ++counts_.progress;
  const auto told = std::find_if(leases_.begin(), leases_.end(), [&](const auto& entry) {
    return seen.progress.message == ResultOf(entry.second.task, entry.first);
  });
  Expect(told != leases_.end() && told->second.task == seen.view->id, Promise::kOneLease,
         absl::StrCat(seen.view->id.ToString(), " is shown with another's progress"));
}

void Oracle::Said(const broker::OutputTaken& taken) {
  if (!taken.status.ok()) return;
  const auto said = durable_.said.find(taken.token);
  Expect(said != durable_.said.end() && said->second >= taken.next_index, Promise::kNeverLost,
         absl::StrCat("output under token ", static_cast<uint64_t>(taken.token),
                      " is said to be stored before it is"));
}

// What it has read may be gone by now.
void Oracle::CheckRead(TaskId task, const std::map<uint64_t, std::string>& read) {
  counts_.output_read += read.size();
  const auto stored = durable_.output.find(task);
  if (stored == durable_.output.end()) return;
  for (const auto& [first, piece] : stored->second) {
    for (size_t i = 0; i < piece.entries.size(); ++i) {
      const std::string& data = piece.entries[i].data;
      const auto found = read.find(first + i);
      Expect(found != read.end() && found->second == data, Promise::kNeverLost,
             absl::StrCat("output of ", task.ToString(), " at offset ", first + i, ", '", data,
                          "', was not read"));
    }
  }
}

void Oracle::CheckTold(const engine::FinishedRow& row) {
  for (const auto& [outcome, result] : OutcomesOf(row, BytesOrNone(row.body))) {
    CheckToldOfTask(outcome, result);
  }
}

void Oracle::CheckToldOfTask(const engine::FinishedRow& row, const std::string& result) {
  const Told told{row.state, row.attempts, row.finished_at_ms, row.error.type, result};
  const std::string id = row.id.ToString();
  const Ledger::Task* task = live_.Find(row.id);
  Expect(task != nullptr && task->finished, Promise::kOneLease,
         absl::StrCat(id, " is told before it ends"));
  if (task->kept) {
    const engine::FinishedRow& stored = task->outcome;
    const Told safe{stored.state, stored.attempts, stored.finished_at_ms, stored.error.type,
                    task->result};
    Expect(told == safe, Promise::kNeverLost,
           absl::StrCat(id, " is told otherwise than it is stored"));
  }
  if (task->row.spec.durability == Durability::kSynced) {
    const Ledger::Task* durable = durable_.Find(row.id);
    Expect(durable != nullptr && durable->finished, Promise::kNeverLost,
           absl::StrCat("the outcome of ", id, " is told before it is safe"));
  }
  const auto [before, first] = told_.emplace(row.id, told);
  Expect(first || before->second == told, Promise::kOneLease,
         absl::StrCat(id, " is told to have ended in two ways"));
}

void Oracle::Asked(TaskId task, bool unfinished, bool finished) const {
  Expect(!unfinished || !told_.contains(task), Promise::kOneLease,
         absl::StrCat(task.ToString(), " has ended, and is shown as unfinished"));
  if (!unfinished && !finished && acknowledged_.contains(task)) CheckUnknown(task);
}

void Oracle::Answered(TaskId task, const broker::OutcomeReady& outcome) {
  const engine::FinishedRow& row = *outcome.row;
  Expect(row.id == task && row.tasks == 1, Promise::kNeverLost,
         absl::StrCat(task.ToString(), " is shown as ", row.id.ToString()));
  CheckTold(row);
}

}  // namespace treadle::sim
