#include "client/future/task_spec.h"

#include <chrono>
#include <cstdint>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::client {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

absl::Status WriteError(const SubmitOptions& options) {
  v1::TaskSpec spec;
  return WriteSpec(options, spec);
}

TEST(SubmitOptions, EachMethodGivesACopyWithOneFieldSet) {
  const SubmitOptions base;
  RetryPolicy retry;
  retry.multiplier = 3;
  const SubmitOptions options = base.Priority(-3)
                                    .Delay(2s)
                                    .MaxAttempts(5)
                                    .Retry(retry)
                                    .AttemptTimeout(4s)
                                    .Deadline(1h)
                                    .ResultTtl(0ms)
                                    .RequestKey("order-7")
                                    .Header("a", "1")
                                    .Header("b", "2")
                                    .Durability(Durability::kWritten)
                                    .WaitIfFull(7s);
  v1::TaskSpec spec;
  ASSERT_EQ(WriteSpec(options, spec), absl::OkStatus());
  v1::TaskSpec untouched;
  ASSERT_EQ(WriteSpec(base, untouched), absl::OkStatus());
  EXPECT_EQ(untouched.priority(), 0);
  EXPECT_EQ(spec.priority(), -3);
  EXPECT_EQ(spec.delay_ms(), 2'000);
  EXPECT_EQ(spec.max_attempts(), 5);
  EXPECT_EQ(spec.retry().multiplier(), 3);
  EXPECT_EQ(spec.attempt_timeout_ms(), 4'000);
  EXPECT_EQ(spec.deadline_in_ms(), 3'600'000);
  EXPECT_TRUE(spec.has_result_ttl_ms());
  EXPECT_EQ(options.request_key, "order-7");
  EXPECT_EQ(spec.headers_size(), 2);
  EXPECT_EQ(spec.durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(spec.wait_if_full_ms(), 7'000);
  const auto noon = std::chrono::system_clock::time_point(12h);
  EXPECT_EQ(base.RunAt(noon).run_at, noon);
  EXPECT_EQ(base.DeadlineAt(noon).deadline_at, noon);
}

TEST(SubmitOptions, EveryFieldIsWritten) {
  SubmitOptions options;
  options.priority = -3;
  options.delay = 2s;
  options.max_attempts = 5;
  options.retry.emplace();
  options.retry->initial_delay = 10ms;
  options.retry->multiplier = 3;
  options.retry->max_delay = 1min;
  options.retry->jitter = 0;
  options.retry->no_retry_error_types = {"ValueError"};
  options.attempt_timeout = 4s;
  options.deadline = 1h;
  options.result_ttl = 0ms;
  options.request_key = "order-7";
  options.headers = {{"traceparent", "00-1"}};
  options.durability = Durability::kWritten;
  options.wait_if_full = 7s;
  v1::TaskSpec spec;
  ASSERT_EQ(WriteSpec(options, spec), absl::OkStatus());
  EXPECT_EQ(spec.priority(), -3);
  EXPECT_EQ(spec.delay_ms(), 2'000);
  EXPECT_EQ(spec.max_attempts(), 5);
  EXPECT_EQ(spec.retry().initial_delay_ms(), 10);
  EXPECT_EQ(spec.retry().multiplier(), 3);
  EXPECT_EQ(spec.retry().max_delay_ms(), 60'000);
  EXPECT_TRUE(spec.retry().has_jitter());
  EXPECT_EQ(spec.retry().jitter(), 0);
  EXPECT_EQ(spec.retry().no_retry_error_types(0), "ValueError");
  EXPECT_EQ(spec.attempt_timeout_ms(), 4'000);
  EXPECT_EQ(spec.deadline_in_ms(), 3'600'000);
  EXPECT_TRUE(spec.has_result_ttl_ms());
  EXPECT_EQ(spec.result_ttl_ms(), 0);
  EXPECT_EQ(spec.headers().at("traceparent"), "00-1");
  EXPECT_EQ(spec.durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(spec.wait_if_full_ms(), 7'000);
}

TEST(EncodeTask, KeepsApartWhatIsATasksOwn) {
  const absl::StatusOr<EncodedTask> task =
      EncodeTask("cpu", SubmitOptions().RequestKey("order-7").Priority(3), "square",
                 Payload("7", "text/plain"));
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->payload, "7");
  EXPECT_EQ(task->request_key, "order-7");
  v1::TaskSpec common;
  ASSERT_TRUE(common.ParseFromString(*task->common));
  EXPECT_EQ(common.queue(), "cpu");
  EXPECT_EQ(common.type(), "square");
  EXPECT_EQ(common.content_type(), "text/plain");
  EXPECT_EQ(common.priority(), 3);
  EXPECT_EQ(common.payload(), "");
  EXPECT_EQ(common.request_key(), "");
}

TEST(SubmitOptions, TimesAreUnixMilliseconds) {
  SubmitOptions options;
  options.run_at = std::chrono::system_clock::from_time_t(1'700'000'000);
  options.deadline_at = std::chrono::system_clock::from_time_t(1'700'000'001);
  v1::TaskSpec spec;
  ASSERT_EQ(WriteSpec(options, spec), absl::OkStatus());
  EXPECT_EQ(spec.run_at_ms(), 1'700'000'000'000);
  EXPECT_EQ(spec.deadline_at_ms(), 1'700'000'001'000);
}

// The broker refuses them: 366 days are the most. None becomes a time that nobody named.
TEST(SubmitOptions, LengthsThatDoNotFitAreTheLongestThatDo) {
  SubmitOptions options;
  options.delay = std::chrono::hours::max();
  options.attempt_timeout = std::chrono::seconds(INT64_MAX / 1'000 + 1);
  options.deadline = std::chrono::minutes::max();
  options.result_ttl = std::chrono::hours::max();
  options.wait_if_full = std::chrono::hours::min();
  options.retry.emplace();
  options.retry->max_delay = std::chrono::duration<uint64_t>::max();
  v1::TaskSpec spec;
  ASSERT_EQ(WriteSpec(options, spec), absl::OkStatus());
  EXPECT_EQ(spec.delay_ms(), INT64_MAX);
  EXPECT_EQ(spec.attempt_timeout_ms(), INT64_MAX);
  EXPECT_EQ(spec.deadline_in_ms(), INT64_MAX);
  EXPECT_EQ(spec.result_ttl_ms(), INT64_MAX);
  EXPECT_EQ(spec.wait_if_full_ms(), INT64_MIN);
  EXPECT_EQ(spec.retry().max_delay_ms(), INT64_MAX);
}

TEST(SubmitOptions, DefaultsLeaveTheRestToTheBroker) {
  v1::TaskSpec spec;
  ASSERT_EQ(WriteSpec(SubmitOptions(), spec), absl::OkStatus());
  EXPECT_EQ(spec.start_case(), v1::TaskSpec::START_NOT_SET);
  EXPECT_EQ(spec.expiry_case(), v1::TaskSpec::EXPIRY_NOT_SET);
  EXPECT_FALSE(spec.has_retry());
  EXPECT_FALSE(spec.has_result_ttl_ms());
  EXPECT_EQ(spec.durability(), v1::DURABILITY_SYNCED);
}

TEST(SubmitOptions, ContradictionsAreRefused) {
  SubmitOptions options;
  options.run_at = std::chrono::system_clock::now();
  options.delay = 1s;
  EXPECT_THAT(std::string(WriteError(options).message()), HasSubstr("run_at and delay"));
  options = SubmitOptions();
  options.deadline_at = std::chrono::system_clock::now();
  options.deadline = 1s;
  EXPECT_THAT(std::string(WriteError(options).message()), HasSubstr("deadline_at and deadline"));
}

TEST(SubmitOptions, AZeroThatWouldMeanTheDefaultIsRefused) {
  SubmitOptions options;
  options.max_attempts = 0;
  EXPECT_EQ(WriteError(options).code(), absl::StatusCode::kInvalidArgument);
  options = SubmitOptions();
  options.retry.emplace();
  options.retry->initial_delay = 0ms;
  EXPECT_EQ(WriteError(options).code(), absl::StatusCode::kInvalidArgument);
}

TEST(SubmitOptions, TextThatIsNotUtf8IsNamed) {
  SubmitOptions options;
  options.headers = {{"trace", "\xff"}};
  EXPECT_THAT(std::string(WriteError(options).message()), HasSubstr("headers is not UTF-8"));
  options = SubmitOptions();
  options.request_key = "\xff";
  EXPECT_THAT(std::string(WriteError(options).message()), HasSubstr("request_key"));
  options = SubmitOptions();
  options.retry.emplace();
  options.retry->no_retry_error_types = {"\xff"};
  EXPECT_THAT(std::string(WriteError(options).message()), HasSubstr("no_retry_error_types"));
}

}  // namespace
}  // namespace treadle::client
