// What only the RocksDB store does: it outlives its process, moves rows to files, and drops there
// what has expired.

#include "server/store/rocks_store.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/file.h"
#include "tests/store/manual_clock.h"
#include "tests/store/rows.h"
#include "tests/store/temp_directory.h"
#include "tests/store/workload.h"
#include "tests/store/writer_process.h"

namespace treadle::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kNow = 1'700'000'000'000;

class RocksStoreTest : public ::testing::Test {
 protected:
  RocksStoreTest() {
    options_.directory = directory_ / "data";
    options_.memtable_bytes = 256 << 10;
    options_.ballast_bytes = 0;
  }

  absl::StatusOr<std::unique_ptr<RocksStore>> TryOpen() {
    return RocksStore::Open(options_, clock_);
  }
  std::unique_ptr<RocksStore> Open() { return TryOpen().value(); }
  // The error of an Open that must fail.
  std::string Refusal(absl::StatusCode code) {
    const absl::Status status = TryOpen().status();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  }
  void Write(const std::string& name, const std::string& contents) {
    std::filesystem::create_directories(options_.directory);
    std::ofstream(options_.directory + "/" + name, std::ios::binary) << contents;
  }
  size_t CountFiles(const std::string& suffix) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory + "/rows")) {
      count += entry.path().extension() == suffix ? 1 : 0;
    }
    return count;
  }

  ManualClock clock_{kNow};
  const TempDirectory directory_;
  RocksStoreOptions options_;
};

TEST_F(RocksStoreTest, ReopenedStoreShowsWhatWasAppended) {
  Open()->Append(BatchOf({{"a", Staying("1")}, {"b", Staying("2")}})).value();
  Open()->Append(BatchOf({{"a", std::nullopt}, {"c", Expiring(kNow + 5, "3")}})).value();
  EXPECT_THAT(ScanAll(*Open()).value(),
              ElementsAre(Pair("b", Staying("2")), Pair("c", Expiring(kNow + 5, "3"))));
  clock_.Set(kNow + 5);
  EXPECT_THAT(ScanAll(*Open()).value(), ElementsAre(Pair("b", Staying("2"))));
}

TEST_F(RocksStoreTest, RowsOutgrowTheMemtableAndStayWhole) {
  std::unique_ptr<RocksStore> store = Open();
  for (uint64_t number = 1; number <= 600; ++number) {
    ASSERT_TRUE(store->Append(WorkloadBatch(number)).ok());
  }
  EXPECT_EQ(WorkloadCount(*store).value(), 600u);
  ASSERT_TRUE(store->Compact().ok());
  EXPECT_EQ(CountFiles(".log"), 1u) << "logs whose rows are in files are gone";
  EXPECT_EQ(WorkloadCount(*store).value(), 600u);
  store.reset();
  EXPECT_EQ(WorkloadCount(*Open()).value(), 600u);
}

TEST_F(RocksStoreTest, BatchLargerThanTheMemtableIsTaken) {
  std::unique_ptr<RocksStore> store = Open();
  const std::string large = Staying(std::string(3'000'000, 'x'));
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(store->Append(BatchOf({{key, large}})).ok());
  store.reset();
  EXPECT_EQ(ScanAll(*Open()).value().size(), 3u);
}

TEST_F(RocksStoreTest, CompactionDropsWhatExpiredForGood) {
  std::unique_ptr<RocksStore> store = Open();
  store->Append(BatchOf({{"a", Expiring(kNow + 10, "a")}, {"b", Staying("b")}})).value();
  store->Append(BatchOf({{"c", Expiring(kNow + 1'000, "c")}})).value();
  clock_.Set(kNow + 10);
  ASSERT_TRUE(store->Compact().ok());
  clock_.Set(kNow);  // a clock set back shows what is really gone
  EXPECT_THAT(ScanAll(*store).value(),
              ElementsAre(Pair("b", Staying("b")), Pair("c", Expiring(kNow + 1'000, "c"))));
}

// A finished row takes its task row's place and then expires: the task must not be back.
TEST_F(RocksStoreTest, OlderValueOfAnExpiredRowNeverComesBack) {
  std::unique_ptr<RocksStore> store = Open();
  store->Append(BatchOf({{"t1", Staying("accepted")}, {"t2", Staying("accepted")}})).value();
  ASSERT_TRUE(store->Compact().ok());
  store->Append(BatchOf({{"t1", Expiring(kNow + 10, "finished")}})).value();
  clock_.Set(kNow + 10);
  EXPECT_THAT(ScanAll(*store).value(), ElementsAre(Pair("t2", Staying("accepted"))));
  ASSERT_TRUE(store->Compact().ok());
  EXPECT_THAT(ScanAll(*store).value(), ElementsAre(Pair("t2", Staying("accepted"))));
  store.reset();
  clock_.Set(kNow);
  EXPECT_THAT(ScanAll(*Open()).value(), ElementsAre(Pair("t2", Staying("accepted"))));
}

// As a task's row, which is put once and deleted once.
TEST_F(RocksStoreTest, RowDeletedOnceStaysAwayAndLeavesNothing) {
  std::unique_ptr<RocksStore> store = Open();
  for (int round = 0; round < 3; ++round) {  // in tables of several levels
    store->Append(BatchOf({{"t1", Staying("1")}, {"t2", Staying("2")}})).value();
    if (round > 0) {
      ASSERT_TRUE(store->Compact().ok());
    }
    WriteBatch batch;
    batch.DeleteOnce("t1");
    if (round < 2) batch.DeleteOnce("t2");
    store->Append(batch).value();
    EXPECT_EQ(store->Get("t1").status().code(), absl::StatusCode::kNotFound);
    if (round > 1) {
      ASSERT_TRUE(store->Compact().ok());
    }
  }
  EXPECT_THAT(ScanAll(*store).value(), ElementsAre(Pair("t2", Staying("2"))));
  store.reset();
  EXPECT_THAT(ScanAll(*Open()).value(), ElementsAre(Pair("t2", Staying("2"))));
}

// A row and its end that meet in a table leave nothing there, not even their numbers, by which the
// next start knows that no log is missing.
TEST_F(RocksStoreTest, StoreThatEndedWithADeletedOnceRowOpensAgainAndAgain) {
  std::unique_ptr<RocksStore> store = Open();
  store->Append(BatchOf({{"t1", Staying("1")}, {"t2", Staying("2")}})).value();
  WriteBatch batch;
  batch.DeleteOnce("t1");
  batch.DeleteOnce("t2");
  store->Append(batch).value();
  store.reset();
  store = Open();  // writes the log's rows into a table
  store->Append(BatchOf({{"t3", Staying("3")}})).value();
  store.reset();
  EXPECT_THAT(ScanAll(*Open()).value(), ElementsAre(Pair("t3", Staying("3"))));
}

// A list must not cost more because of what has expired and is still in the tables.
TEST_F(RocksStoreTest, ScanCountsWhatHasExpiredAndSaysWhereItStopped) {
  std::unique_ptr<RocksStore> store = Open();
  WriteBatch batch;
  for (int i = 10'000; i < 40'000; ++i) {
    batch.Put(absl::StrCat("f", i), Expiring(kNow + 10, std::string(20, 'x')));
  }
  batch.Put("f40000", Staying("lives"));
  ASSERT_TRUE(store->Append(batch).ok());
  clock_.Set(kNow + 10);
  int visits = 0;
  const auto visit = [&](std::string_view, std::string_view) { return ++visits > 0; };
  std::optional<std::string> next = "f";
  for (const char* stop : {"f20000", "f30000", "f40000"}) {
    next = store->Scan(*next, "g", 10'000, visit).value();
    ASSERT_EQ(next, stop);
    EXPECT_EQ(visits, 0);
  }
  EXPECT_EQ(store->Scan(*next, "g", 10'000, visit).value(), std::nullopt);
  EXPECT_EQ(visits, 1);
}

TEST_F(RocksStoreTest, ReadsAreMadeOnAnotherThreadTheUrgentOnesFirst) {
  std::unique_ptr<RocksStore> store = Open();
  store->Append(BatchOf({{"a", Staying("1")}})).value();
  std::promise<void> release;
  std::promise<std::vector<std::string>> all;
  std::vector<std::string> made;
  std::thread::id thread;
  store->ReadLater(Store::Urgency::kQuestion, [&, go = release.get_future().share()] {
    go.wait();
    thread = std::this_thread::get_id();
  });
  for (const char* name : {"first", "second"}) {
    store->ReadLater(Store::Urgency::kQuestion, [&, name] {
      made.push_back(name);
      if (made.size() == 3) all.set_value(made);
    });
  }
  store->ReadLater(Store::Urgency::kWork, [&] { made.push_back(store->Get("a").value()); });
  release.set_value();
  EXPECT_THAT(all.get_future().get(), ElementsAre(Staying("1"), "first", "second"));
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_F(RocksStoreTest, SecondStoreOfOneProcessIsRefused) {
  const std::unique_ptr<RocksStore> store = Open();
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition),
              HasSubstr(absl::StrCat("is in use by another treadle-server (process ", ::getpid())));
  store->Append(BatchOf({{"a", Staying("")}})).value();
}

TEST_F(RocksStoreTest, SecondProcessIsRefusedUntilTheFirstHasEnded) {
  WriterProcess writer(options_.directory, {"--batches=5", "--ballast-bytes=0", "--hold"});
  writer.ReadUntil(5);
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition),
              HasSubstr(absl::StrCat("data directory '", options_.directory,
                                     "' is in use by another treadle-server (process ")));
  writer.Kill();
  writer.Wait();
  EXPECT_EQ(WorkloadCount(*Open()).value(), 5u);
}

TEST_F(RocksStoreTest, NewerFormatIsRefusedWithTheWayOut) {
  Open().reset();
  Write("FORMAT", "treadle store, format 4\n");
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition),
              HasSubstr("written by a newer Treadle (store format 4, this one reads up to 3): "
                        "start that version or a later one"));
}

TEST_F(RocksStoreTest, OlderFormatIsRefusedWithTheWayOut) {
  Open().reset();
  Write("FORMAT", "treadle store, format 1\n");
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition),
              HasSubstr("written by an older Treadle (store format 1, this one reads 3): finish "
                        "its tasks with that version"));
}

TEST_F(RocksStoreTest, DamagedFormatIsRefused) {
  Open().reset();
  for (const char* text : {"", "treadle store, format 1", "treadle store, format x\n", "1\n",
                           "treadle store, format 0\n", "treadle store, format -1\n"}) {
    Write("FORMAT", text);
    EXPECT_THAT(Refusal(absl::StatusCode::kDataLoss), HasSubstr("FORMAT is damaged"));
  }
}

TEST_F(RocksStoreTest, LostFormatIsRefused) {
  Open()->Append(BatchOf({{"a", Staying("")}})).value();
  std::filesystem::remove(options_.directory + "/FORMAT");
  EXPECT_THAT(Refusal(absl::StatusCode::kDataLoss), HasSubstr("has lost its FORMAT"));
}

TEST_F(RocksStoreTest, SomebodyElsesDirectoryIsRefusedAndLeftAlone) {
  Write("photo.jpg", "");
  Write("letter.txt", "");
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition),
              HasSubstr("holds other files (letter.txt, photo.jpg) and no Treadle store: name an "
                        "empty or a new directory"));
  EXPECT_EQ(ListDirectory(options_.directory).value().size(), 2u);
}

TEST_F(RocksStoreTest, FileInPlaceOfTheDirectoryIsRefused) {
  std::ofstream(options_.directory) << "x";
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition), HasSubstr("is not a directory"));
}

TEST_F(RocksStoreTest, CreationCutShortIsDoneAgain) {
  Open().reset();
  std::filesystem::remove(options_.directory + "/FORMAT");
  Open().reset();
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/FORMAT"));
  std::filesystem::remove(options_.directory + "/FORMAT");
  std::filesystem::remove_all(options_.directory + "/rows");
  Write("FORMAT.new", "treadle");
  Open()->Append(BatchOf({{"a", Staying("")}})).value();
  EXPECT_EQ(ScanAll(*Open()).value().size(), 1u);
}

TEST_F(RocksStoreTest, DirectoryIsCreatedWithItsParents) {
  options_.directory = directory_ / "some/where/data";
  Open().reset();
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/FORMAT"));
}

TEST_F(RocksStoreTest, MissingRightsAreNamed) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can take another user's place";
  constexpr char kNobody[] = "--uid=65534";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::others_all,
                               std::filesystem::perm_options::add);
  const auto expect_refused = [&] {
    WriterProcess writer(options_.directory, {kNobody, "--ballast-bytes=0"});
    writer.Wait();
    EXPECT_EQ(writer.exit_code(), 3);
    EXPECT_THAT(writer.errors(), HasSubstr("PERMISSION_DENIED: data directory"));
    EXPECT_THAT(writer.errors(), HasSubstr("run as the user that owns it"));
  };
  Open().reset();
  expect_refused();  // root's directory
  std::filesystem::permissions(options_.directory, std::filesystem::perms::all);
  expect_refused();  // whose files are root's
  std::filesystem::remove_all(options_.directory);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::others_write,
                               std::filesystem::perm_options::remove);
  expect_refused();  // none, where only root may create one
}

TEST_F(RocksStoreTest, BallastIsHeldWhileThereIsPlentyOfSpace) {
  options_.ballast_bytes = 1 << 20;
  options_.free_bytes_min = 0;
  const std::string ballast = options_.directory + "/BALLAST";
  std::unique_ptr<RocksStore> store = Open();
  EXPECT_EQ(std::filesystem::file_size(ballast), 1u << 20);
  store.reset();
  options_.ballast_bytes = 0;
  Open().reset();
  EXPECT_FALSE(std::filesystem::exists(ballast));
}

// Answered or not, but never after the store is gone.
TEST_F(RocksStoreTest, DestroyedWithASyncUnderWay) {
  for (int round = 0; round < 20; ++round) {
    std::unique_ptr<RocksStore> store = Open();
    auto alive = std::make_shared<std::atomic<bool>>(true);
    store->SetOnSynced([alive](const absl::StatusOr<Sequence>&) { EXPECT_TRUE(*alive); });
    store->Append(WorkloadBatch(1)).value();
    store->RequestSync();
    store.reset();
    *alive = false;
  }
}

}  // namespace
}  // namespace treadle::store
