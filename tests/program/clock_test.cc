#include "proto/support/clock.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000;
constexpr int64_t kDay = int64_t{24} * 3'600 * kSecond;
constexpr int64_t kYear = 365 * kDay;
constexpr int64_t kToday = 1'700'000'000'000;

struct FakeMachine final : MachineClock {
  int64_t SinceBootMs() const override { return since_boot_ms; }
  int64_t UnixMs() const override { return wall_ms; }
  std::string BootId() const override { return boot_id; }
  void Pass(int64_t ms) {
    since_boot_ms += ms;
    wall_ms += ms;
  }
  int64_t since_boot_ms = 100 * kSecond;
  int64_t wall_ms = kToday;
  std::string boot_id = "first";
};

class ServiceClockTest : public testing::Test {
 protected:
  // A run of a broker that ends now; where it stopped.
  ClockMark RunOf(int64_t ms) {
    ServiceClock clock(machine_);
    clock.Continue(std::nullopt);
    machine_.Pass(ms);
    clock.Follow();
    return clock.Mark();
  }
  ServiceClock::Tell Tell() {
    return [this](const std::string& news) { told_.push_back(news); };
  }

  FakeMachine machine_;
  std::vector<std::string> told_;
};

TEST_F(ServiceClockTest, BeforeItRunsNothingHasExpired) {
  const ServiceClock clock(machine_);
  EXPECT_EQ(clock.NowMs(), INT64_MIN);
}

TEST_F(ServiceClockTest, OfANewStoreItBeginsWithUnixTime) {
  ServiceClock clock(machine_, Tell());
  clock.Continue(std::nullopt);
  EXPECT_EQ(clock.NowMs(), kToday);
  machine_.Pass(5);
  EXPECT_EQ(clock.NowMs(), kToday + 5);
  EXPECT_EQ(clock.WallMs(), kToday + 5);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ServiceClockTest, AStepOfTheWallIsFollowedAndToldAndMovesNoServiceTime) {
  ServiceClock clock(machine_, Tell());
  clock.Continue(std::nullopt);
  machine_.wall_ms -= 2 * 3'600 * kSecond;
  EXPECT_EQ(clock.WallMs(), kToday);
  EXPECT_TRUE(clock.Follow());
  EXPECT_FALSE(clock.Follow());
  EXPECT_EQ(clock.NowMs(), kToday);
  EXPECT_EQ(clock.WallMs(), machine_.wall_ms);
  EXPECT_THAT(told_, ElementsAre(HasSubstr("set back by 2h")));
  machine_.wall_ms += kYear;
  EXPECT_TRUE(clock.Follow());
  EXPECT_EQ(clock.NowMs(), kToday);
  EXPECT_THAT(told_, ElementsAre(HasSubstr("back"), HasSubstr("set forward by 8760h")));
}

TEST_F(ServiceClockTest, ASlewedWallIsFollowedInSilenceAndNotForEachMillisecond) {
  ServiceClock clock(machine_, Tell());
  clock.Continue(std::nullopt);
  machine_.wall_ms += ServiceClock::kFollowMs - 1;
  EXPECT_FALSE(clock.Follow());
  EXPECT_EQ(clock.WallOffsetMs(), 0);
  machine_.wall_ms += 1;
  EXPECT_FALSE(clock.Follow());
  EXPECT_EQ(clock.WallOffsetMs(), ServiceClock::kFollowMs);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ServiceClockTest, TheTimeBetweenTwoRunsIsCounted) {
  const ClockMark last = RunOf(7 * kSecond);
  machine_.Pass(60 * kSecond);
  ServiceClock clock(machine_, Tell());
  clock.Continue(last);
  EXPECT_EQ(clock.NowMs(), kToday + 67 * kSecond);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ServiceClockTest, WhileTheMachineIsUpAClockThatIsSetChangesNoTimeBetweenTwoRuns) {
  for (const int64_t step : {-kYear, -kDay, kDay, kYear, 56 * kYear}) {
    told_.clear();
    const ClockMark last = RunOf(0);
    machine_.Pass(60 * kSecond);
    machine_.wall_ms += step;
    ServiceClock clock(machine_, Tell());
    clock.Continue(last);
    EXPECT_EQ(clock.NowMs(), last.now_ms + 60 * kSecond) << step;
    EXPECT_EQ(clock.WallMs(), machine_.wall_ms);
    EXPECT_THAT(told_, ElementsAre(HasSubstr("the clock was set")));
  }
}

TEST_F(ServiceClockTest, AfterABootTheWallClockIsBelievedWhenItIsPossible) {
  const ClockMark last = RunOf(0);
  machine_ = FakeMachine{};
  machine_.boot_id = "second";
  machine_.since_boot_ms = 30 * kSecond;
  machine_.wall_ms = last.wall_ms + 3 * kDay;
  ServiceClock clock(machine_, Tell());
  clock.Continue(last);
  EXPECT_EQ(clock.NowMs(), last.now_ms + 3 * kDay);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ServiceClockTest, AfterABootAClockThatIsBehindTheStoresPastDoesNotTakeItBack) {
  const ClockMark last = RunOf(0);
  machine_.boot_id = "second";
  machine_.wall_ms = 10 * kSecond;  // 1970
  ServiceClock clock(machine_, Tell());
  clock.Continue(last);
  EXPECT_EQ(clock.NowMs(), last.now_ms);
  EXPECT_EQ(clock.WallMs(), 10 * kSecond);
  EXPECT_THAT(told_, ElementsAre(HasSubstr("behind what this store has seen")));
  machine_.wall_ms = kToday + 60 * kSecond;  // the network's time comes
  EXPECT_TRUE(clock.Follow());
  EXPECT_EQ(clock.NowMs(), last.now_ms);
  EXPECT_EQ(clock.WallMs(), kToday + 60 * kSecond);
}

TEST_F(ServiceClockTest, AfterABootAClockThatIsTooFarAheadEndsNothing) {
  machine_.wall_ms = 10 * kSecond;  // the first run was in 1970
  const ClockMark last = RunOf(5 * kSecond);
  machine_.boot_id = "second";
  machine_.wall_ms = kToday;
  ServiceClock clock(machine_, Tell());
  clock.Continue(last);
  EXPECT_EQ(clock.NowMs(), 15 * kSecond);
  EXPECT_EQ(clock.WallMs(), kToday);
  EXPECT_THAT(told_, ElementsAre(HasSubstr("ahead of what this store has seen")));
}

TEST_F(ServiceClockTest, WithoutABootIdTheWallClockIsAllThereIs) {
  machine_.boot_id = "";
  const ClockMark last = RunOf(0);
  machine_.since_boot_ms += 5 * kSecond;
  machine_.wall_ms += 9 * kSecond;
  ServiceClock clock(machine_, Tell());
  clock.Continue(last);
  EXPECT_EQ(clock.NowMs(), last.now_ms + 9 * kSecond);
}

TEST(SystemMachineClock, GoesOn) {
  const SystemMachineClock machine;
  const int64_t since_boot_ms = machine.SinceBootMs();
  EXPECT_GT(since_boot_ms, 0);
  EXPECT_GE(machine.SinceBootMs(), since_boot_ms);
  EXPECT_GT(machine.UnixMs(), kToday);
  EXPECT_EQ(machine.BootId(), SystemMachineClock().BootId());
}

}  // namespace
}  // namespace treadle
