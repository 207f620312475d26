// A store that finds no descriptor for a file that it needs.

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include <sys/resource.h>

#include "server/store/rocks_status.h"
#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/rows.h"
#include "tests/store/sync_hook.h"
#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Refuses the first opens of each file whose name ends so.
class UsedUp {
 public:
  explicit UsedUp(int error) : error_(error) {
    SetOpenHook([this](const std::string& path) { return Refuse(path) ? error_ : 0; });
  }
  ~UsedUp() { SetOpenHook(nullptr); }

  void Begin(int times) {
    std::lock_guard lock(mutex_);
    times_ = times;
  }
  int refused(const std::string& ending) {
    std::lock_guard lock(mutex_);
    return refused_[ending];
  }

 private:
  bool Refuse(const std::string& path) {
    std::lock_guard lock(mutex_);
    for (const char* ending : {".log", ".sst"}) {
      if (!absl::EndsWith(path, ending) || tries_[path] >= times_) continue;
      ++tries_[path];
      ++refused_[ending];
      return true;
    }
    return false;
  }

  const int error_;
  std::mutex mutex_;  // guards all below
  int times_ = 0;
  std::map<std::string, int> tries_;
  std::map<std::string, int> refused_;
};

class DescriptorsTest : public ::testing::TestWithParam<int> {
 protected:
  DescriptorsTest() {
    options_.directory = directory_ / "data";
    options_.memtable_bytes = 64 << 10;
    options_.ballast_bytes = 0;
  }

  ManualClock clock_{1};
  const TempDirectory directory_;
  RocksStoreOptions options_;
};

// Connections take the last ones, and give them back soon.
TEST_P(DescriptorsTest, AFileIsOpenedWhenThereIsADescriptorAgain) {
  UsedUp used_up(GetParam());
  std::unique_ptr<RocksStore> store = RocksStore::Open(options_, clock_).value();
  used_up.Begin(2);
  constexpr int kRows = 300;
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE(
        store->Append(BatchOf({{absl::StrCat("row ", i), Staying(std::string(1'000, 'x'))}})).ok());
  }
  for (int i = 0; i < kRows; ++i) EXPECT_TRUE(store->Get(absl::StrCat("row ", i)).ok());
  store.reset();
  EXPECT_GE(used_up.refused(".log"), 2);
  EXPECT_GE(used_up.refused(".sst"), 2);
  used_up.Begin(0);
  store = RocksStore::Open(options_, clock_).value();
  EXPECT_EQ(ScanAll(*store).value().size(), size_t{kRows});
}

INSTANTIATE_TEST_SUITE_P(Errors, DescriptorsTest, ::testing::Values(EMFILE, ENFILE));

// The device is well: what helps is a higher limit.
TEST(Descriptors, TheirWantIsNotTheDevicesFault) {
  const TempDirectory directory;
  std::unique_ptr<rocksdb::WritableFile> file;
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const rocksdb::Status status =
      rocksdb::Env::Default()->NewWritableFile(directory / "file", &file, rocksdb::EnvOptions());
  const ManualClock clock(1);
  RocksStoreOptions options;
  options.directory = directory / "data";
  const absl::Status refused = RocksStore::Open(options, clock).status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("ulimit -n"), Not(HasSubstr("device"))));
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(WantsDescriptors(status)) << status.ToString();
  const absl::Status said = RocksError(status, "/data");
  EXPECT_EQ(said.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(said.message()),
              AllOf(HasSubstr("no descriptor is left"), HasSubstr("ulimit -n"),
                    HasSubstr("LimitNOFILE="), Not(HasSubstr("device"))));
  EXPECT_FALSE(WantsDescriptors(rocksdb::Status::IOError("Input/output error")));
  EXPECT_FALSE(WantsDescriptors(rocksdb::Status::Corruption("Too many open files")));
}

}  // namespace
}  // namespace treadle::store
