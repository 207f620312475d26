#include "tests/store/workload.h"

#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "server/store/expiry.h"

namespace treadle::store {
namespace {

constexpr char kCountKey[] = "m";
constexpr uint64_t kKeys = 400;
constexpr uint64_t kChangesMax = 20;

std::string Filler(std::mt19937_64& random) {
  // Mostly rows of a task's size; now and then one that spans a log's blocks.
  const uint64_t bytes = random() % 64 == 0 ? 20'000 + random() % 50'000 : random() % 400;
  std::string filler;
  while (filler.size() < bytes) {
    const uint64_t piece = random();
    filler.append(reinterpret_cast<const char*>(&piece), sizeof(piece));
  }
  return filler;
}

}  // namespace

WriteBatch WorkloadBatch(uint64_t number) {
  std::mt19937_64 random(number);
  WriteBatch batch;
  for (uint64_t changes = 1 + random() % kChangesMax; changes > 0; --changes) {
    const std::string key = absl::StrCat("t", random() % kKeys);
    if (random() % 4 == 0) {
      batch.Delete(key);
    } else {
      batch.Put(key, Staying(absl::StrCat("batch ", number, ": ", Filler(random))));
    }
  }
  batch.Put(kCountKey, Staying(absl::StrCat(number)));
  return batch;
}

Rows WorkloadRows(uint64_t count) {
  Rows rows;
  for (uint64_t number = 1; number <= count; ++number) {
    const WriteBatch batch = WorkloadBatch(number);
    for (size_t i = 0; i < batch.size(); ++i) {
      const WriteBatch::Change change = batch[i];
      if (change.value.has_value()) {
        rows.insert_or_assign(std::string(change.key), std::string(*change.value));
      } else {
        rows.erase(std::string(change.key));
      }
    }
  }
  return rows;
}

absl::StatusOr<uint64_t> WorkloadCount(const Rows& rows) {
  const auto row = rows.find(kCountKey);
  uint64_t count = 0;
  if (row != rows.end() && !absl::SimpleAtoi(row->second.substr(kStaysBytes), &count)) {
    return absl::DataLossError("the row that counts batches is wrong");
  }
  const Rows expected = WorkloadRows(count);
  for (const auto& [key, value] : expected) {
    const auto found = rows.find(key);
    if (found == rows.end() || found->second != value) {
      return absl::DataLossError(absl::StrCat("after batch ", count, " row '", key, "' is ",
                                              found == rows.end() ? "missing" : "wrong"));
    }
  }
  if (rows.size() != expected.size()) {
    return absl::DataLossError(absl::StrCat("after batch ", count, " there are ", rows.size(),
                                            " rows, not ", expected.size()));
  }
  return count;
}

absl::StatusOr<uint64_t> WorkloadCount(Store& store) {
  const absl::StatusOr<Rows> rows = ScanAll(store);
  return rows.ok() ? WorkloadCount(*rows) : rows.status();
}

}  // namespace treadle::store
