// What every store must do.

#include "server/store/store.h"

#include <cstdint>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/memory_store.h"
#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/rows.h"
#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kNow = 1'700'000'000'000;

struct MemoryFixture {
  MemoryStore store;
  explicit MemoryFixture(const Clock& clock) : store(clock) {}
};

struct RocksFixture {
  TempDirectory directory;
  std::unique_ptr<RocksStore> owned;
  RocksStore& store;

  explicit RocksFixture(const Clock& clock) : owned(Open(clock)), store(*owned) {}
  std::unique_ptr<RocksStore> Open(const Clock& clock) const {
    RocksStoreOptions options;
    options.directory = directory.path();
    options.memtable_bytes = 64 << 10;  // so that rows move to files, too
    options.ballast_bytes = 0;
    return RocksStore::Open(options, clock).value();
  }
};

template <typename Fixture>
class EveryStore : public ::testing::Test {
 protected:
  Sequence Append(const Changes& changes) { return store().Append(BatchOf(changes)).value(); }
  Rows All() { return ScanAll(store()).value(); }
  Store& store() { return fixture_.store; }

  ManualClock clock_{kNow};
  Fixture fixture_{clock_};
};

using Fixtures = ::testing::Types<MemoryFixture, RocksFixture>;
TYPED_TEST_SUITE(EveryStore, Fixtures);

TYPED_TEST(EveryStore, StartsEmpty) {
  EXPECT_THAT(this->All(), IsEmpty());
  EXPECT_EQ(this->store().Get("a").status().code(), absl::StatusCode::kNotFound);
}

TYPED_TEST(EveryStore, AppendIsSeenAtOnce) {
  this->Append({{"b", Staying("2")}, {"a", Staying("1")}});
  EXPECT_EQ(this->store().Get("a").value(), Staying("1"));
  EXPECT_THAT(this->All(), ElementsAre(Pair("a", Staying("1")), Pair("b", Staying("2"))));
}

TYPED_TEST(EveryStore, LaterChangeToAKeyWins) {
  this->Append({{"a", Staying("1")}, {"a", Staying("2")}});
  this->Append({{"b", Staying("1")}, {"b", std::nullopt}});
  this->Append({{"c", std::nullopt}, {"c", Staying("3")}});
  EXPECT_THAT(this->All(), ElementsAre(Pair("a", Staying("2")), Pair("c", Staying("3"))));
}

TYPED_TEST(EveryStore, DeletedRowIsGone) {
  this->Append({{"a", Staying("1")}, {"b", Staying("2")}});
  this->Append({{"a", std::nullopt}, {"never there", std::nullopt}});
  EXPECT_THAT(this->All(), ElementsAre(Pair("b", Staying("2"))));
  const absl::Status status = this->store().Get("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'a'"));
}

TYPED_TEST(EveryStore, ScanCoversBeginButNotEnd) {
  this->Append({{"a", Staying("")}, {"b", Staying("")}, {"c", Staying("")}, {"d", Staying("")}});
  std::vector<std::string> keys;
  const auto collect = [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  };
  ASSERT_TRUE(this->store().Scan("b", "d", collect).ok());
  EXPECT_THAT(keys, ElementsAre("b", "c"));
  keys.clear();
  ASSERT_TRUE(this->store().Scan("bb", "d", collect).ok());
  EXPECT_THAT(keys, ElementsAre("c"));
  keys.clear();
  ASSERT_TRUE(this->store().Scan("x", "y", collect).ok());
  ASSERT_TRUE(this->store().Scan("b", "b", collect).ok());
  EXPECT_THAT(keys, IsEmpty());
}

TYPED_TEST(EveryStore, ScanEndsWhenVisitSaysSo) {
  this->Append({{"a", Staying("")}, {"b", Staying("")}, {"c", Staying("")}});
  int visits = 0;
  ASSERT_TRUE(this->store()
                  .Scan("", "z", [&](std::string_view, std::string_view) { return ++visits < 2; })
                  .ok());
  EXPECT_EQ(visits, 2);
}

TYPED_TEST(EveryStore, ScanStopsAfterSoManyRowsAndSaysWhereToGoOn) {
  this->Append({{"a", Staying("")}, {"b", Expiring(kNow, "")}, {"c", Staying("")}});
  std::vector<std::string> keys;
  const auto collect = [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  };
  EXPECT_EQ(this->store().Scan("", "z", 2, collect).value(), "c") << "hidden rows count";
  EXPECT_THAT(keys, ElementsAre("a"));
  EXPECT_EQ(this->store().Scan("c", "z", 2, collect).value(), std::nullopt);
  EXPECT_THAT(keys, ElementsAre("a", "c"));
  EXPECT_EQ(this->store().Scan("", "z", 0, collect).value(), "a");
  const auto refuse = [](std::string_view, std::string_view) { return false; };
  EXPECT_EQ(this->store().Scan("", "z", 9, refuse).value(), "b");
  EXPECT_EQ(this->store().Scan("c", "z", 9, refuse).value(), std::nullopt);
}

TYPED_TEST(EveryStore, ScanBackMeetsTheSameRowsTheOtherWayRound) {
  Changes changes;
  for (int i = 0; i < 500; ++i) {
    changes.emplace_back("k" + std::to_string(1'000 + i),
                         i % 7 == 0 ? Expiring(kNow, "") : Staying(std::to_string(i)));
  }
  changes.emplace_back("k1250", std::nullopt);
  this->Append(changes);
  std::vector<std::string> forwards;
  std::vector<std::string> backwards;
  ASSERT_TRUE(this->store()
                  .Scan("k1100", "k1400",
                        [&](std::string_view key, std::string_view) {
                          forwards.emplace_back(key);
                          return true;
                        })
                  .ok());
  // A page after the other.
  std::optional<std::string> end = "k1400";
  while (end.has_value()) {
    const auto next =
        this->store().ScanBack("k1100", *end, 64, [&](std::string_view key, std::string_view) {
          backwards.emplace_back(key);
          return true;
        });
    ASSERT_TRUE(next.ok()) << next.status();
    end = *next;
  }
  ASSERT_THAT(forwards, testing::SizeIs(testing::Gt(200)));
  EXPECT_EQ(backwards, std::vector<std::string>(forwards.rbegin(), forwards.rend()));
}

TYPED_TEST(EveryStore, ScanBackStopsAfterSoManyRowsAndSaysWhereToGoOn) {
  this->Append({{"a", Staying("")}, {"b", Expiring(kNow, "")}, {"c", Staying("")}});
  std::vector<std::string> keys;
  const auto collect = [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  };
  EXPECT_EQ(this->store().ScanBack("", "z", 2, collect).value(), "b") << "hidden rows count";
  EXPECT_THAT(keys, ElementsAre("c"));
  EXPECT_EQ(this->store().ScanBack("", "b", 2, collect).value(), std::nullopt);
  EXPECT_THAT(keys, ElementsAre("c", "a"));
  EXPECT_EQ(this->store().ScanBack("", "z", 0, collect).value(), "z");
  EXPECT_EQ(this->store().ScanBack("b", "b", 9, collect).value(), std::nullopt);
  const auto refuse = [](std::string_view, std::string_view) { return false; };
  EXPECT_EQ(this->store().ScanBack("", "z", 9, refuse).value(), "c");
  EXPECT_EQ(this->store().ScanBack("", "b", 9, refuse).value(), std::nullopt);
}

TYPED_TEST(EveryStore, GetManyIsGetForEachKey) {
  Changes changes;
  for (int i = 0; i < 200; ++i) {
    changes.emplace_back("k" + std::to_string(i), Staying(std::to_string(i)));
  }
  changes.emplace_back("k17", Expiring(kNow, "expired"));
  changes.emplace_back("k18", std::nullopt);
  this->Append(changes);
  std::vector<std::string> keys = {"absent"};
  for (int i = 0; i < 200; ++i) keys.push_back("k" + std::to_string(i));
  size_t visits = 0;
  ASSERT_TRUE(this->store()
                  .GetMany(keys,
                           [&](size_t index, std::optional<std::string_view> value) {
                             EXPECT_EQ(index, visits++);
                             const absl::StatusOr<std::string> one = this->store().Get(keys[index]);
                             EXPECT_EQ(value.has_value(), one.ok());
                             EXPECT_EQ(value.value_or(""), one.value_or(""));
                             return visits < 150;
                           })
                  .ok());
  EXPECT_EQ(visits, 150u);
}

TYPED_TEST(EveryStore, ReadsThatComeLaterSeeWhatWasAppended) {
  std::promise<std::string> value;
  this->Append({{"a", Staying("1")}});
  this->store().ReadLater(Store::Urgency::kQuestion,
                          [&] { value.set_value(this->store().Get("a").value()); });
  EXPECT_EQ(value.get_future().get(), Staying("1"));
}

TYPED_TEST(EveryStore, RowDeletedOnceIsGone) {
  this->Append({{"a", Staying("1")}, {"b", Staying("2")}});
  WriteBatch batch;
  batch.DeleteOnce("a");
  batch.DeleteOnce("never there");
  ASSERT_TRUE(this->store().Append(batch).ok());
  EXPECT_THAT(this->All(), ElementsAre(Pair("b", Staying("2"))));
}

TYPED_TEST(EveryStore, KeysAreOrderedAsUnsignedBytes) {
  const std::string zero("a\0", 2);
  this->Append(
      {{"a\xff", Staying("")}, {"a\x7f", Staying("")}, {zero, Staying("")}, {"a", Staying("")}});
  std::vector<std::string> keys;
  for (const auto& [key, value] : this->All()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("a", zero, "a\x7f", "a\xff"));
}

TYPED_TEST(EveryStore, AnyBytesComeBackUnchanged) {
  std::string key;
  std::string value;
  for (int byte = 0; byte < 256; ++byte) {
    key.push_back(static_cast<char>(255 - byte));
    value.push_back(static_cast<char>(byte));
  }
  key.erase(0, 2);  // sorts below the scan's end
  const std::string large = Staying(std::string(5 << 20, 'x'));
  this->Append({{key, Staying(value)}, {"large", large}, {"empty", Staying("")}});
  EXPECT_EQ(this->store().Get(key).value(), Staying(value));
  EXPECT_EQ(this->store().Get("large").value(), large);
  EXPECT_EQ(this->All().size(), 3u);
}

TYPED_TEST(EveryStore, SequencesCountAppends) {
  EXPECT_EQ(this->Append({{"a", Staying("")}}), 1u);
  EXPECT_EQ(this->Append({}), 2u);
  EXPECT_EQ(this->Append({{"b", Staying("")}, {"c", Staying("")}}), 3u);
}

TYPED_TEST(EveryStore, SyncTellsHowFar) {
  SyncWait sync(this->store());
  EXPECT_EQ(sync.Sync().value(), 0u);
  this->Append({{"a", Staying("")}});
  this->Append({{"b", Staying("")}});
  EXPECT_EQ(sync.Sync().value(), 2u);
  EXPECT_EQ(sync.Sync().value(), 2u);
  this->Append({{"c", Staying("")}});
  EXPECT_EQ(sync.Sync().value(), 3u);
}

TYPED_TEST(EveryStore, ManyRequestsAreAnsweredByTheLastAppend) {
  SyncWait sync(this->store());
  for (int i = 0; i < 200; ++i) {
    this->Append({{"a", Staying(std::to_string(i))}});
    this->store().RequestSync();
  }
  Sequence synced = 0;
  while (synced < 200) synced = sync.Sync().value();
  EXPECT_EQ(synced, 200u);
}

TYPED_TEST(EveryStore, ValueIsHiddenFromItsTimeOn) {
  this->Append({{"a", Expiring(kNow + 10, "soon")}, {"b", Staying("")}, {"c", Expiring(kNow, "")}});
  this->clock_.Set(kNow + 9);
  EXPECT_EQ(this->store().Get("a").value(), Expiring(kNow + 10, "soon"));
  EXPECT_THAT(this->All(),
              ElementsAre(Pair("a", Expiring(kNow + 10, "soon")), Pair("b", Staying(""))));
  this->clock_.Set(kNow + 10);
  EXPECT_EQ(this->store().Get("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(this->All(), ElementsAre(Pair("b", Staying(""))));
}

TYPED_TEST(EveryStore, OverwrittenValueHasTheNewTime) {
  this->Append(
      {{"a", Expiring(kNow + 10, "1")}, {"b", Expiring(kNow + 10, "1")}, {"c", Staying("1")}});
  this->Append(
      {{"a", Expiring(kNow + 9'000, "2")}, {"b", Staying("2")}, {"c", Expiring(kNow + 10, "2")}});
  this->clock_.Set(kNow + 5'000);
  this->Append({{"d", Staying("")}});  // a store may drop what expired now
  EXPECT_THAT(this->All(), ElementsAre(Pair("a", Expiring(kNow + 9'000, "2")),
                                       Pair("b", Staying("2")), Pair("d", Staying(""))));
}

TYPED_TEST(EveryStore, ExpiredKeyMayBeUsedAgain) {
  this->Append({{"a", Expiring(kNow + 10, "1")}});
  this->clock_.Set(kNow + 60'000);
  this->Append({{"a", Expiring(kNow + 90'000, "2")}});
  this->Append({{"b", Staying("")}});
  EXPECT_EQ(this->store().Get("a").value(), Expiring(kNow + 90'000, "2"));
}

TYPED_TEST(EveryStore, RandomBatchesMatchAMap) {
  std::mt19937_64 random(7);
  const auto below = [&](uint64_t limit) { return random() % limit; };
  struct Expected {
    std::string value;
    int64_t expires_at_ms;
  };
  std::map<std::string, Expected> model;
  for (int turn = 0; turn < 400; ++turn) {
    WriteBatch batch;
    for (uint64_t change = below(30); change > 0; --change) {
      const std::string key = "k" + std::to_string(below(200));
      const std::string text(below(300), static_cast<char>('a' + below(26)));
      if (below(4) == 0) {
        batch.Delete(key);
        model.erase(key);
      } else if (below(2) == 0) {
        const int64_t at_ms = this->clock_.NowMs() + static_cast<int64_t>(below(5'000));
        batch.Put(key, Expiring(at_ms, text));
        model[key] = {Expiring(at_ms, text), at_ms};
      } else {
        batch.Put(key, Staying(text));
        model[key] = {Staying(text), INT64_MAX};
      }
    }
    ASSERT_TRUE(this->store().Append(batch).ok());
    this->clock_.Set(this->clock_.NowMs() + static_cast<int64_t>(below(100)));
    Rows expected;
    for (const auto& [key, row] : model) {
      if (this->clock_.NowMs() < row.expires_at_ms) expected[key] = row.value;
    }
    ASSERT_EQ(this->All(), expected) << "after turn " << turn;
  }
}

TYPED_TEST(EveryStore, SaysWhatItIs) {
  EXPECT_EQ(this->store().Kind() == "memory", this->store().reach() == Reach::kMemory);
  EXPECT_GT(this->store().FreeBytes(), 0);
}

TEST(MemoryStore, TellsHowMuchOfItsBoundIsLeft) {
  ManualClock clock(kNow);
  MemoryStore store(clock, 1'000'000);
  EXPECT_EQ(store.FreeBytes(), 1'000'000);
  const std::string value = Expiring(kNow + 500, std::string(1'000, 'x'));
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(store.Append(BatchOf({{"k" + std::to_string(i), value}})).ok());
  }
  EXPECT_LT(store.FreeBytes(), 500'000);
  EXPECT_GT(store.FreeBytes(), 300'000);
  const int64_t before = store.FreeBytes();
  ASSERT_TRUE(store.Append(BatchOf({{"k1", Staying("")}, {"k2", std::nullopt}})).ok());
  EXPECT_GT(store.FreeBytes(), before + 1'900);
  ASSERT_TRUE(store.Append(BatchOf({{"large", Staying(std::string(1'000'000, 'x'))}})).ok())
      << "what was accepted is taken";
  EXPECT_EQ(store.FreeBytes(), 0);
  ASSERT_TRUE(store.Append(BatchOf({{"large", std::nullopt}, {"k1", std::nullopt}})).ok());
  clock.Set(kNow + 5'000);
  EXPECT_EQ(store.FreeBytes(), 1'000'000) << "what has expired goes though nothing is appended";
  EXPECT_EQ(store.bytes(), 0);
}

TEST(MemoryStore, LaterAppendsDropWhatExpired) {
  ManualClock clock(kNow);
  MemoryStore store(clock);
  WriteBatch batch;
  for (int i = 0; i < 1'000; ++i) {
    batch.Put("k" + std::to_string(i), Expiring(kNow + 500, "x"));
  }
  ASSERT_TRUE(store.Append(batch).ok());
  clock.Set(kNow + 5'000);
  EXPECT_EQ(store.RowCount(), 1'000u);
  ASSERT_TRUE(store.Append({}).ok());
  EXPECT_GT(store.RowCount(), 800u) << "one append must not pay for all";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store.Append({}).ok());
  EXPECT_EQ(store.RowCount(), 0u);
}

}  // namespace
}  // namespace treadle::store
