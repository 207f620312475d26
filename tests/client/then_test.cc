#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/manual_future.h"
#include "treadle/future.h"

// Future::Then, and results that are moved out.

namespace treadle {
namespace {

using test::ManualFuture;
using ::testing::HasSubstr;

TEST(FutureThen, MakesAnotherValueOfTheResult) {
  ManualFuture<int> number;
  const Future<std::string> text =
      number.future().Then([](int n) { return std::to_string(n) + " sheep"; });
  EXPECT_FALSE(text.Done());
  number.Succeed("3");
  ASSERT_TRUE(text.Done());
  EXPECT_EQ(*text.Result(), "3 sheep");
  // Of one that is done already.
  EXPECT_EQ(*number.future().Then([](int n) { return n + 1; }).Result(), 4);
}

TEST(FutureThen, AnErrorPassesByTheFunction) {
  ManualFuture<int> number;
  const Future<int> next = number.future().Then([](int) -> int {
    ADD_FAILURE() << "called";
    return 0;
  });
  number.Fail(absl::NotFoundError("no such sheep"));
  EXPECT_EQ(next.Result().status(), absl::NotFoundError("no such sheep"));
}

TEST(FutureThen, StatusesAndExceptionsAreTheNewFuturesEnd) {
  ManualFuture<int> number;
  const Future<int> status = number.future().Then(
      [](int n) { return absl::StatusOr<int>(absl::OutOfRangeError(std::to_string(n))); });
  const Future<void> nothing = number.future().Then([](int) {});
  const Future<void> refused =
      number.future().Then([](int) { return absl::AbortedError("not that one"); });
  const Future<int> thrown =
      number.future().Then([](int) -> int { throw std::runtime_error("fell"); });
  number.Succeed("7");
  EXPECT_EQ(status.Wait(), absl::OutOfRangeError("7"));
  EXPECT_EQ(nothing.Result(), absl::OkStatus());
  EXPECT_EQ(refused.Result(), absl::AbortedError("not that one"));
  EXPECT_EQ(thrown.Wait().code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(std::string(thrown.Wait().message()), HasSubstr("fell"));
}

TEST(FutureThen, AFutureThatTheFunctionReturnsIsWaitedFor) {
  ManualFuture<void> first;
  ManualFuture<int> second;
  const Future<int> both = first.future().Then([&second] { return second.future(); });
  first.Succeed("");
  EXPECT_FALSE(both.Done());
  second.Succeed("5");
  EXPECT_EQ(*both.Result(), 5);
}

TEST(FutureThen, ACancelReachesWhatIsWaitedFor) {
  ManualFuture<int> first;
  ManualFuture<int> second;
  const Future<int> both = first.future().Then([&second](int) { return second.future(); });
  EXPECT_TRUE(both.Cancel());
  EXPECT_TRUE(first.cancelled());
  EXPECT_FALSE(second.cancelled());
  first.Succeed("1");  // faster than the cancel
  EXPECT_TRUE(second.cancelled());
  second.Fail(absl::CancelledError("told to"));
  EXPECT_TRUE(absl::IsCancelled(both.Wait()));
  EXPECT_FALSE(both.Cancel());
}

TEST(FutureThen, AChainNeedsNobodyToHoldItsMiddle) {
  ManualFuture<int> number;
  std::vector<std::string> heard;
  {
    const Future<void> end =
        number.future().Then([](int n) { return 2 * n; }).Then([&heard](int n) {
          heard.push_back(std::to_string(n));
        });
  }
  number.Succeed("21");
  EXPECT_THAT(heard, ::testing::ElementsAre("42"));
}

TEST(FutureResult, TheLastFutureOfATaskMovesItsBytesOut) {
  std::optional<ManualFuture<Payload>> manual(std::in_place);
  const std::string large(10'000, 'x');
  Future<Payload> future = manual->future();
  Future<Payload> other = manual->future();
  manual->state()->result = large;
  const char* const bytes = manual->state()->result.data();
  manual->Succeed(manual->state()->result);
  const Payload copied = *std::move(other).Result();
  EXPECT_FALSE(other.valid());
  EXPECT_EQ(copied.bytes, large);
  manual.reset();
  EXPECT_TRUE(future.valid());
  const Payload moved = *std::move(future).Result();
  EXPECT_EQ(static_cast<const void*>(moved.bytes.data()), bytes);
  EXPECT_FALSE(future.valid());
}

TEST(FutureResult, BytesAreMovedOut) {
  ManualFuture<Bytes> manual;
  Future<Bytes> future = manual.future();
  manual.Succeed("abc");
  EXPECT_EQ(std::move(future).Result()->data, "abc");
  EXPECT_FALSE(future.valid());
}

TEST(FutureResult, AnImpatientMoveLeavesTheFutureAsItIs) {
  ManualFuture<int> manual;
  Future<int> future = manual.future();
  EXPECT_TRUE(absl::IsDeadlineExceeded(std::move(future).Result(kNoWait).status()));
  ASSERT_TRUE(future.valid());
  manual.Succeed("9");
  EXPECT_EQ(*std::move(future).Result(), 9);
}

}  // namespace
}  // namespace treadle
