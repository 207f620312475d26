#include "server/rpc/charts.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/fixture.h"

namespace treadle::rpc {
namespace {

using ::testing::AllOf;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;

constexpr int64_t kStepMs = 5'000;
constexpr int64_t kOffsetMs = 1'000'000'000'000;  // Unix time minus service time

class ChartRingTest : public ::testing::Test {
 protected:
  // At this service time, as it is.
  void Sample(int64_t at_ms) {
    now_.at_ms = at_ms;
    ring_.Add(now_);
  }
  v1::Charts Write(int64_t after_ms = 0, int64_t offset_ms = kOffsetMs) {
    v1::Charts charts;
    ring_.Write(offset_ms, after_ms, charts);
    EXPECT_EQ(charts.submitted_per_second_size(), charts.time_ms_size());
    EXPECT_EQ(charts.sync_p99_ms_size(), charts.time_ms_size());
    return charts;
  }
  std::vector<int64_t> Times(int64_t after_ms = 0) {
    std::vector<int64_t> times;
    const v1::Charts charts = Write(after_ms);
    for (const int64_t time_ms : charts.time_ms()) times.push_back(time_ms - kOffsetMs);
    return times;
  }

  ChartSample now_;
  ChartRing ring_{kStepMs, /*steps_max=*/4};
};

TEST_F(ChartRingTest, RatesAreOfTheTimeBetweenSamplesAndDepthsOfItsEnd) {
  now_.queues.counts.submitted = 1'000;
  Sample(10'000);
  EXPECT_THAT(Times(), IsEmpty()) << "of one sample nothing follows";
  now_.queues.counts.submitted += 50;
  now_.queues.counts.succeeded += 20;
  now_.queues.counts.failed += 5;
  now_.queues.counts.retried += 10;
  now_.queues.queued = 25;
  now_.queues.scheduled = 3;
  now_.queues.running = 2;
  now_.queues.oldest_age_ms = 4'000;
  now_.queues.dead_letters = 5;
  Sample(15'000);
  const v1::Charts charts = Write();
  EXPECT_EQ(charts.step_ms(), kStepMs);
  EXPECT_THAT(charts.time_ms(), ElementsAre(kOffsetMs + 15'000));
  EXPECT_THAT(charts.submitted_per_second(), ElementsAre(10));
  EXPECT_THAT(charts.succeeded_per_second(), ElementsAre(4));
  EXPECT_THAT(charts.failed_per_second(), ElementsAre(1));
  EXPECT_THAT(charts.retried_per_second(), ElementsAre(2));
  EXPECT_THAT(charts.queued(), ElementsAre(25));
  EXPECT_THAT(charts.scheduled(), ElementsAre(3));
  EXPECT_THAT(charts.running(), ElementsAre(2));
  EXPECT_THAT(charts.oldest_age_ms(), ElementsAre(4'000));
  EXPECT_THAT(charts.dead_letters(), ElementsAre(5));
}

TEST_F(ChartRingTest, TimesAreOfWhatCameAboutInTheStepAlone) {
  now_.queues.times.queueing.Add(3'000'000, 100);
  Sample(0);
  now_.queues.times.queueing.Add(2, 50);
  now_.queues.times.queueing.Add(200, 50);
  now_.queues.times.running.Add(100'000'000);
  Sample(5'000);
  Sample(10'000);
  const v1::Charts charts = Write();
  // Half of them are within the bucket from 1 to 3 ms; 99 of a hundred within that of 100 to 300.
  EXPECT_THAT(charts.queueing_p50_ms(), ElementsAre(DoubleEq(3), -1));
  EXPECT_THAT(charts.queueing_p99_ms(), ElementsAre(AllOf(Ge(100), Le(300)), -1));
  EXPECT_THAT(charts.running_p50_ms(), ElementsAre(21'600'000, -1)) << "the last bound: or more";
  EXPECT_THAT(charts.sync_p50_ms(), ElementsAre(-1, -1));
  now_.turns.sync_ms.Add(1, 10);
  Sample(15'000);
  EXPECT_THAT(Write().sync_p50_ms(), ElementsAre(-1, -1, DoubleEq(0.5)));
}

TEST_F(ChartRingTest, WhoPollsIsSentWhatIsNew) {
  for (int64_t at_ms = 0; at_ms <= 15'000; at_ms += kStepMs) Sample(at_ms);
  EXPECT_THAT(Times(), ElementsAre(5'000, 10'000, 15'000));
  EXPECT_THAT(Times(kOffsetMs + 5'000), ElementsAre(10'000, 15'000));
  EXPECT_THAT(Times(kOffsetMs + 15'000), IsEmpty());
  // The clock was set back: he has a time that is still to come.
  EXPECT_THAT(Times(kOffsetMs + 15'001), ElementsAre(5'000, 10'000, 15'000));
}

TEST_F(ChartRingTest, TheOldestStepsGiveWay) {
  for (int64_t at_ms = 0; at_ms <= 30'000; at_ms += kStepMs) Sample(at_ms);
  EXPECT_THAT(Times(), ElementsAre(15'000, 20'000, 25'000, 30'000));
}

TEST_F(ChartRingTest, AStepHasOneRowHoweverOftenItIsLookedAt) {
  Sample(4'000);
  now_.queues.counts.submitted = 20;
  for (const int64_t at_ms : {4'900, 6'000, 7'000, 9'999}) Sample(at_ms);
  EXPECT_THAT(Times(), ElementsAre(5'000));
  EXPECT_THAT(Write().submitted_per_second(), ElementsAre(10)) << "20 within 2 s";
}

TEST_F(ChartRingTest, WhereTheBrokerStoodStillThereIsNoRow) {
  Sample(0);
  Sample(5'000);
  now_.queues.counts.submitted = 60;
  Sample(35'000);
  Sample(40'000);
  EXPECT_THAT(Times(), ElementsAre(5'000, 35'000, 40'000));
  EXPECT_THAT(Write().submitted_per_second(), ElementsAre(0, 2, 0)) << "60 within 30 s";
}

TEST_F(ChartRingTest, WhatSeemsToGoBackIsNoRate) {
  now_.queues.counts.submitted = 10;
  now_.queues.times.running.Add(5, 10);
  Sample(0);
  now_.queues.counts.submitted = 5;
  now_.queues.times.running = {};
  Sample(5'000);
  EXPECT_THAT(Write().submitted_per_second(), ElementsAre(0));
  EXPECT_THAT(Write().running_p50_ms(), ElementsAre(-1));
}

TEST(Charts, ADayIsMadeOfTheSameSamples) {
  Charts charts(kStepMs);
  ChartSample now;
  // Two days.
  for (int64_t at_ms = 0; at_ms <= 2 * 24 * 3'600'000; at_ms += kStepMs) {
    now.at_ms = at_ms;
    charts.Add(now);
    now.queues.counts.submitted += 10;
  }
  v1::Charts hour;
  charts.Write(v1::CHART_SPAN_UNSPECIFIED, 0, 0, hour);
  EXPECT_EQ(hour.step_ms(), 5'000);
  ASSERT_EQ(hour.time_ms_size(), 720);
  EXPECT_EQ(hour.time_ms(719) - hour.time_ms(0), 719 * 5'000);
  v1::Charts day;
  charts.Write(v1::CHART_SPAN_DAY, 0, 0, day);
  EXPECT_EQ(day.step_ms(), 120'000);
  ASSERT_EQ(day.time_ms_size(), 720);
  EXPECT_EQ(day.time_ms(719), hour.time_ms(719));
  EXPECT_EQ(day.submitted_per_second(0), 2);
}

TEST(Charts, WhatTurnsHadComeToIsKnownOfAMinuteAgo) {
  Charts charts(kStepMs);
  EXPECT_EQ(charts.TurnsBefore().rows, 0);
  ChartSample now;
  for (int64_t at_ms = 0; at_ms <= 60'000; at_ms += kStepMs) {
    now.at_ms = at_ms;
    now.turns.rows = at_ms;
    charts.Add(now);
    EXPECT_EQ(charts.TurnsBefore().rows, 0) << at_ms;
  }
  now.turns.rows = now.at_ms += kStepMs;
  charts.Add(now);
  EXPECT_EQ(charts.TurnsBefore().rows, kStepMs);
}

TEST(SpreadOf, IsOfWhatCameAboutBetweenTwoLooks) {
  engine::Histogram<broker::kTurnRequestsBounds> since;
  since.Add(1'000, 50);
  engine::Histogram<broker::kTurnRequestsBounds> now = since;
  EXPECT_EQ(SpreadOf(since, now).mean, -1);
  EXPECT_EQ(SpreadOf(since, now).p99, -1);
  now.Add(2, 90);
  now.Add(70, 10);
  const Spread spread = SpreadOf(since, now);
  EXPECT_EQ(spread.mean, 8.8);
  EXPECT_THAT(spread.p50, AllOf(Ge(1), Le(2)));
  EXPECT_THAT(spread.p99, AllOf(Ge(50), Le(100)));
}

class GetChartsTest : public test::RpcTest {
 protected:
  GetChartsTest() : RpcTest(Options()) {}
  static test::LocalServerOptions Options() {
    test::LocalServerOptions options;
    options.rpc.chart_step_ms = 20;
    return options;
  }
  grpc::Status Get(const v1::GetChartsRequest& request, v1::GetChartsResponse& response) {
    test::Context context;
    return admin->GetCharts(&context, request, &response);
  }
};

TEST_F(GetChartsTest, WhatTheBrokerDoesIsSeenInThem) {
  v1::GetChartsResponse response;
  test::Eventually([&] {
    EXPECT_TRUE(Get({}, response).ok());
    return response.charts().time_ms_size() > 0;
  });
  for (int i = 0; i < 10; ++i) Submit(Spec("mail"));
  Complete(Succeeded(Lease("mail").tasks(0), "done"));
  double submitted = 0;
  double succeeded = 0;
  v1::GetChartsRequest request;
  test::Eventually([&] {
    EXPECT_TRUE(Get(request, response).ok());
    const v1::Charts& charts = response.charts();
    for (int i = 0; i < charts.time_ms_size(); ++i) {
      EXPECT_GT(charts.time_ms(i), request.after_ms());
      request.set_after_ms(charts.time_ms(i));
      submitted += charts.submitted_per_second(i);
      succeeded += charts.succeeded_per_second(i);
    }
    return submitted > 0 && succeeded > 0 && charts.time_ms_size() > 0 &&
           charts.queued(charts.time_ms_size() - 1) == 9;
  });
  EXPECT_NEAR(static_cast<double>(Info().now_ms()), static_cast<double>(request.after_ms()),
              60'000);
}

TEST_F(GetChartsTest, WhatIsWrongIsNamed) {
  v1::GetChartsResponse response;
  v1::GetChartsRequest request;
  request.set_span(static_cast<v1::ChartSpan>(7));
  EXPECT_EQ(Get(request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_span(v1::CHART_SPAN_DAY);
  request.set_after_ms(-1);
  const grpc::Status status = Get(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("after_ms"));
}

}  // namespace
}  // namespace treadle::rpc
