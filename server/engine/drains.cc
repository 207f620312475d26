#include "server/engine/drains.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "proto/support/units.h"
#include "server/engine/refusals.h"

namespace treadle::engine {
namespace {

// Of one page of drains.
constexpr size_t kWorkersLookedAtMax = 100'000;

bool Matches(const DrainMatch& match, const Worker& worker) {
  const auto has = [&worker](const auto& label) {
    const auto found = worker.labels.find(label.first);
    return found != worker.labels.end() && found->second == label.second;
  };
  return (match.worker.empty() || match.worker == worker.id || match.worker == *worker.name ||
          MatchesPattern(match.worker, *worker.name)) &&
         std::all_of(match.labels.begin(), match.labels.end(), has);
}

// "workers 'gpu-*' with zone=a".
std::string Described(const DrainMatch& match) {
  std::string text = "workers";
  if (!match.worker.empty()) absl::StrAppend(&text, " '", match.worker, "'");
  const char* before = " with ";
  for (const auto& [key, value] : match.labels) {
    absl::StrAppend(&text, std::exchange(before, ", "), key, "=", value);
  }
  return text;
}

void TellChanged(Turn& turn, CallId call, absl::Status status, uint64_t drain = 0) {
  const Durability after = status.ok() ? Durability::kSynced : Durability::kMemory;
  turn.Say(after, DrainChanged{call, std::move(status), drain});
}

}  // namespace

// Where it fails behind a star, that star takes one byte more: no earlier one need be tried again.
bool MatchesPattern(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t taken_to = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken_to = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken_to;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

Drain* Drains::FindSame(const DrainMatch& match) const {
  const auto found = std::find_if(s_.drains.begin(), s_.drains.end(), [&match](const auto& drain) {
    return drain.second->row.match == match;
  });
  return found == s_.drains.end() ? nullptr : found->second.get();
}

void Drains::Apply(Turn& turn, SetDrain&& command) {
  Drain* drain = FindSame(command.match);
  if (drain == nullptr) {
    if (static_cast<int64_t>(s_.drains.size()) >= limits::kDrainsMax) {
      return TellChanged(turn, command.call, refusal::TooManyDrains());
    }
    const uint64_t id = s_.NextSession();
    drain = (s_.drains[id] = std::make_unique<Drain>(
                 DrainRow{.id = id, .match = std::move(command.match), .reason = {}}))
                .get();
    for (const auto& [worker_id, worker] : s_.holders.workers()) {
      if (!Matches(drain->row.match, *worker)) continue;
      drain->workers.insert(worker.get());
      worker->drains.push_back(drain);
    }
  }
  DrainRow& row = drain->row;
  row.reason = std::move(command.reason);
  row.created_at_ms = s_.Shown(turn.now_ms());
  row.until_ms = command.for_ms == 0 ? 0 : turn.now_ms() + command.for_ms;
  s_.timers.Set(*drain, row.until_ms == 0 ? kNever : row.until_ms);
  turn.Put(row);
  for (const auto& [worker_id, worker] : s_.holders.workers()) {
    if (!drain->workers.contains(worker.get())) continue;
    worker->TakeNoMore(s_.matching, turn.now_ms());
    if (worker->call != CallId{}) turn.Say(Durability::kSynced, DrainAsked{worker->call});
  }
  s_.fewer_serve = true;
  std::string details = absl::StrCat(Described(row.match), ", ", drain->workers.size(), " now");
  if (command.for_ms > 0) absl::StrAppend(&details, ", for ", FormatDurationMs(command.for_ms));
  log_.Note(turn, command.by, ActionKind::kDrainSet, NumberText(row.id), std::move(details),
            row.reason);
  TellChanged(turn, command.call, absl::OkStatus(), row.id);
}

void Drains::Apply(Turn& turn, const RemoveDrain& command) {
  const auto found = s_.drains.find(command.drain);
  if (found == s_.drains.end()) {
    return TellChanged(turn, command.call, refusal::NoSuchDrain(command.drain));
  }
  log_.Note(turn, command.by, ActionKind::kDrainRemoved, NumberText(command.drain),
            Described(found->second->row.match));
  Drop(turn, *found->second);
  TellChanged(turn, command.call, absl::OkStatus(), command.drain);
}

void Drains::Drop(Turn& turn, Drain& drain) {
  for (Worker* const worker : drain.workers) std::erase(worker->drains, &drain);
  s_.timers.Clear(drain);
  const uint64_t id = drain.row.id;
  turn.Erase(DrainKey{id});
  s_.drains.erase(id);
}

void Drains::Follow(Worker& worker) {
  Forget(worker);
  for (const auto& [id, drain] : s_.drains) {
    if (!Matches(drain->row.match, worker)) continue;
    drain->workers.insert(&worker);
    worker.drains.push_back(drain.get());
  }
}

void Drains::Forget(Worker& worker) {
  for (Drain* const drain : std::exchange(worker.drains, {})) drain->workers.erase(&worker);
}

bool Drains::AddLoaded(const DrainRow& row) {
  const auto [entry, is_new] = s_.drains.try_emplace(row.id);
  if (!is_new) return false;
  entry->second = std::make_unique<Drain>(row);
  if (row.until_ms != 0) s_.timers.Set(*entry->second, row.until_ms);
  return true;
}

std::optional<DrainView> Drains::Find(uint64_t id) const {
  const auto found = s_.drains.find(id);
  return found == s_.drains.end() ? std::nullopt : std::optional(ViewOf(*found->second));
}

std::vector<DrainView> Drains::List(uint64_t after, size_t limit) const {
  std::vector<DrainView> views;
  size_t looked_at = 0;
  for (auto it = s_.drains.upper_bound(after);
       it != s_.drains.end() && views.size() < limit && looked_at < kWorkersLookedAtMax; ++it) {
    looked_at += it->second->workers.size();
    views.push_back(ViewOf(*it->second));
  }
  return views;
}

DrainView Drains::ViewOf(const Drain& drain) const {
  const DrainRow& row = drain.row;
  return {
      .id = row.id,
      .match = row.match,
      .reason = row.reason,
      .created_at_ms = row.created_at_ms,
      .ends_at_ms = row.until_ms == 0 ? 0 : s_.Shown(row.until_ms),
      .workers = static_cast<int64_t>(drain.workers.size()),
      .busy_workers = std::count_if(drain.workers.begin(), drain.workers.end(),
                                    [](const Worker* worker) { return worker->lease_count > 0; })};
}

}  // namespace treadle::engine
