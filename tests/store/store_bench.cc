// What the RocksDB store costs on this machine: appends of batches that are synced, one by one and
// overlapping; appends alone; and the scan that recovery makes. Prints one line for each.
//
//   store_bench DIRECTORY     an empty directory on the disk in question

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "proto/support/clock.h"
#include "server/store/expiry.h"
#include "server/store/rocks_store.h"

namespace treadle::store {
namespace {

constexpr int64_t kRowsPerBatch = 1'000;
constexpr size_t kValueBytes = 150;
constexpr int64_t kRows = 1'000'000;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::string Key(uint64_t number) {
  std::string key = "t";
  for (int shift = 120; shift >= 0; shift -= 8) {
    key.push_back(shift < 64 ? static_cast<char>(number >> shift) : '\0');
  }
  return key;
}

std::string Value(bool expires, uint64_t number) {
  std::string value(kValueBytes, '\0');
  char* at = expires ? WriteExpires(INT64_MAX, value.data()) : WriteStays(value.data());
  for (; at != value.data() + value.size(); ++at) {
    number = number * 6364136223846793005u + 1442695040888963407u;
    *at = static_cast<char>('a' + (number >> 60));
  }
  return value;
}

// Who waits until an append is durable.
class Synced {
 public:
  explicit Synced(Store& store) {
    store.SetOnSynced([this](absl::StatusOr<Sequence> synced) {
      Check(synced.status());
      const std::lock_guard lock(mutex_);
      synced_ = *synced;
      ++syncs_;
      changed_.notify_all();
    });
  }
  void Wait(Sequence sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return synced_ >= sequence; });
  }
  int64_t syncs() {
    const std::lock_guard lock(mutex_);
    return syncs_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Sequence synced_ = 0;
  int64_t syncs_ = 0;
};

void Report(const char* what, int64_t rows, double seconds) {
  std::printf("%-58s %9.0f rows/s  %6.2f us/row\n", what, static_cast<double>(rows) / seconds,
              seconds * 1e6 / static_cast<double>(rows));
}

struct Bench {
  Store& store;
  Synced& synced;

  // Appends kRows rows; at most `batches_ahead` batches wait for their sync.
  void Append(const char* what, bool expires, Sequence batches_ahead) {
    const double begin = Seconds();
    const int64_t syncs_before = synced.syncs();
    double in_append = 0;
    WriteBatch batch;
    Sequence last = 0;
    for (int64_t first = 0; first < kRows; first += kRowsPerBatch) {
      batch.Clear();
      for (int64_t row = first; row < first + kRowsPerBatch; ++row) {
        const auto number = static_cast<uint64_t>(row);
        batch.Put(Key(number), Value(expires, number));
      }
      const double before = Seconds();
      const absl::StatusOr<Sequence> appended = store.Append(batch);
      in_append += Seconds() - before;
      Check(appended.status());
      last = *appended;
      if (batches_ahead == 0) continue;
      store.RequestSync();
      if (last >= batches_ahead) synced.Wait(last - batches_ahead + 1);
    }
    if (batches_ahead > 0) synced.Wait(last);
    Report(what, kRows, Seconds() - begin);
    std::printf("    of it in Append %.2f us/row; %lld syncs\n", in_append * 1e6 / kRows,
                static_cast<long long>(synced.syncs() - syncs_before));
  }

  void Scan(const char* what) {
    const double begin = Seconds();
    int64_t rows = 0;
    int64_t bytes = 0;
    Check(store.Scan("t", "u", [&](std::string_view, std::string_view value) {
      ++rows;
      bytes += static_cast<int64_t>(value.size());
      return true;
    }));
    Report(what, rows, Seconds() - begin);
  }

  void Get(const char* what, bool present) {
    constexpr int64_t kGets = 100'000;
    const double begin = Seconds();
    for (int64_t i = 0; i < kGets; ++i) {
      std::string key = Key(static_cast<uint64_t>(i * 7'919 % kRows));
      if (!present) key.push_back('x');
      if (store.Get(key).ok() != present) std::exit(1);
    }
    Report(what, kGets, Seconds() - begin);
  }
};

void Run(const std::string& directory) {
  const SystemMachineClock machine;
  ServiceClock clock(machine);
  clock.Continue(std::nullopt);
  RocksStoreOptions options;
  options.directory = directory;
  {
    absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock);
    Check(store.status());
    Synced synced(**store);
    Bench bench{**store, synced};
    bench.Append("1,000 rows of 150 B, each batch synced before the next", false, 1);
    bench.Append("the same overwritten, syncs overlap with appends", true, 8);
    bench.Append("the same overwritten, never synced", true, 0);
    bench.Get("get, present", true);
    bench.Get("get, absent", false);
    bench.Scan("scan 1,000,000 finished rows, just written");
  }
  const double begin = Seconds();
  absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock);
  Check(store.status());
  std::printf("%-58s %9.3f s\n", "open, with up to 64 MiB of log to read back", Seconds() - begin);
  Synced synced(**store);
  Bench bench{**store, synced};
  bench.Scan("scan 1,000,000 finished rows, after open");
  bench.Get("get, present, after open", true);
  bench.Get("get, absent, after open", false);
}

}  // namespace
}  // namespace treadle::store

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: store_bench DIRECTORY\n");
    return 2;
  }
  treadle::store::Run(argv[1]);
  return 0;
}
