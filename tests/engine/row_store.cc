#include "tests/engine/row_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/engine/hash.h"

namespace treadle::engine {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string GrantName(GrantId grant) { return absl::StrCat("g", static_cast<uint64_t>(grant)); }

std::string KeyOf(const RowKey& key) {
  return std::visit(Overloaded{
                        [](const QueueKey& k) { return "q" + k.name; },
                        [](const TaskKey& k) { return "t" + k.id.ToString(); },
                        [](const RunKey& k) { return "u" + k.id.ToString(); },
                        [](const AttemptKey& k) { return "a" + k.id.ToString(); },
                        [](const GrantKey& k) { return GrantName(k.grant); },
                        [](const SessionKey& k) { return absl::StrCat("s", k.session); },
                        [](const ReportsKey& k) { return absl::StrCat("r", k.number); },
                    },
                    key);
}

}  // namespace

std::string KeyOf(const Row& row) {
  return std::visit(
      Overloaded{
          [](const MetaRow&) { return std::string("m"); },
          [](const QueueRow& r) { return "q" + r.config.name; },
          [](const TaskRow& r) { return "t" + r.id.ToString(); },
          [](const RunRow& r) { return "u" + r.id.ToString(); },
          [](const AttemptRow& r) { return "a" + r.id.ToString(); },
          [](const GrantRow& r) { return GrantName(r.grant); },
          [](const FinishedRow& r) { return (r.of_run ? "f" : "t") + r.id.ToString(); },
          [](const SessionRow& r) { return absl::StrCat("s", r.session); },
          [](const KeyRow& r) { return absl::StrCat("k", r.queue, "\n", r.key); },
          [](const ReportsRow& r) { return absl::StrCat("r", r.number); },
          [](const ClockRow&) { return std::string("c"); },
      },
      row);
}

void RowStore::Apply(const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    if (const Row* const row = std::get_if<Row>(&change)) {
      rows_.insert_or_assign(KeyOf(*row), *row);
    } else {
      TREADLE_ASSERT(rows_.erase(KeyOf(std::get<RowKey>(change))) == 1);
    }
  }
}

std::optional<TaskRow> RowStore::FindTask(TaskId row) const {
  const auto found = rows_.find("t" + row.ToString());
  if (found == rows_.end() || !std::holds_alternative<TaskRow>(found->second)) return std::nullopt;
  return std::get<TaskRow>(found->second);
}

std::optional<KeyRow> RowStore::FindKey(const std::string& queue, const std::string& key) const {
  const auto found = rows_.find(absl::StrCat("k", queue, "\n", key));
  if (found == rows_.end()) return std::nullopt;
  return std::get<KeyRow>(found->second);
}

size_t RowStore::CountOf(char kind) const {
  return static_cast<size_t>(std::count_if(
      rows_.begin(), rows_.end(), [kind](const auto& row) { return row.first[0] == kind; }));
}

std::vector<Row> RowStore::Shuffled(uint64_t seed) const {
  std::vector<std::pair<uint64_t, const Row*>> order;
  for (const auto& [key, row] : rows_) {
    order.emplace_back(StableHash(seed).Add(key).value(), &row);
  }
  std::sort(order.begin(), order.end());
  std::vector<Row> rows;
  for (const auto& [hash, row] : order) rows.push_back(*row);
  return rows;
}

}  // namespace treadle::engine
