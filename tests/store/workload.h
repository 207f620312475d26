#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

#include "server/store/store.h"
#include "tests/store/rows.h"

namespace treadle::store {

// Batches whose effect is known: the n-th puts, overwrites and deletes rows as n says, and writes n
// itself to one row. So what a store shows after a crash tells how many batches it has, and whether
// each is there whole.
WriteBatch WorkloadBatch(uint64_t number);

// The rows after batches 1 to `count`.
Rows WorkloadRows(uint64_t count);

// How many batches `rows` are the effect of. DATA_LOSS: of no number of them; says which row is
// wrong.
absl::StatusOr<uint64_t> WorkloadCount(const Rows& rows);

// All of the above for a store: scans it. Also the scan's error.
absl::StatusOr<uint64_t> WorkloadCount(Store& store);

}  // namespace treadle::store
