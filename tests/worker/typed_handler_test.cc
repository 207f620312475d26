#include "treadle/internal/typed_handler.h"

#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"
#include "treadle/codec.h"
#include "treadle/task_type.h"
#include "treadle/worker.h"

namespace treadle::worker {
namespace {

using ::testing::HasSubstr;

// As Worker::Handle and Worker::HandleRaw put them together.
template <typename R, typename... Args, typename F>
Handler Typed(const TaskType<R(Args...)>&, F function) {
  return TypedHandler<R, typename TaskType<R(Args...)>::Arguments>(std::move(function));
}

AttemptResult RunOnce(Handler handler, std::string payload, std::string content_type,
                      StopReason stop = StopReason::kNone,
                      std::vector<OutputEntry>* output = nullptr) {
  AttemptInfo info;
  info.type = "type";
  info.content_type = std::move(content_type);
  const auto attempt = std::make_shared<Attempt>(AttemptId(), std::move(info), std::move(payload));
  if (stop != StopReason::kNone) attempt->RequestStop(stop);
  Handlers handlers;
  handlers.Add("type", std::move(handler));
  RecordingEvents events;
  AttemptResult result = RunHandler(handlers, *attempt, events);
  if (output != nullptr) *output = events.output(attempt->token());
  return result;
}

AttemptResult RunJson(Handler handler, std::string payload) {
  return RunOnce(std::move(handler), std::move(payload), std::string(kJsonContentType));
}

// What Emit makes of one value; nothing: it threw.
template <typename T>
Payload Emitted(const T& part, AttemptResult* thrown = nullptr) {
  std::vector<OutputEntry> output;
  const AttemptResult result = RunOnce(
      [&](TaskContext& context, const std::string&) {
        context.Emit(part);
        return AttemptResult();
      },
      "", "", StopReason::kNone, &output);
  if (thrown != nullptr) *thrown = result;
  return output.empty() ? Payload() : Payload(output[0].data, output[0].content_type);
}

constexpr TaskType<int64_t(int64_t)> kSquare{"square"};
constexpr TaskType<std::string(std::string, int)> kRepeat{"repeat"};
constexpr TaskType<void(std::string)> kStore{"store"};
constexpr TaskType<std::vector<int>()> kList{"list"};
constexpr TaskType<Bytes(Bytes)> kReverse{"reverse"};

TEST(TaskContextEmit, EncodesAPartAsAResultOfItsType) {
  EXPECT_EQ(Emitted(int64_t{7}), Payload("7", kJsonContentType));
  EXPECT_EQ(Emitted(std::vector<int>{1, 2}), Payload("[1,2]", kJsonContentType));
  EXPECT_EQ(Emitted("text"), Payload("\"text\"", kJsonContentType));
  EXPECT_EQ(Emitted(std::string("text")), Payload("\"text\"", kJsonContentType));
  EXPECT_EQ(Emitted(Bytes("\xFF")), Payload("\xFF", kBytesContentType));
  EXPECT_EQ(Emitted(Payload("<p>", "text/html")), Payload("<p>", "text/html"));
}

TEST(TaskContextEmit, FailsTheTaskWhenAPartCannotBeEncoded) {
  AttemptResult thrown;
  EXPECT_EQ(Emitted(std::string("\xFF"), &thrown), Payload());
  EXPECT_EQ(thrown.error_type, "INVALID_ARGUMENT");
  EXPECT_THAT(thrown.error_message, HasSubstr("TaskContext::Emit: "));
  EXPECT_TRUE(thrown.permanent);
}

TEST(TypedHandler, DecodesTheArgumentsAndEncodesTheResult) {
  const auto square = Typed(kSquare, [](TaskContext&, int64_t n) { return n * n; });
  const AttemptResult result = RunJson(square, "12");
  EXPECT_EQ(result.end, AttemptEnd::kSucceeded);
  EXPECT_EQ(result.bytes, "144");
  EXPECT_EQ(result.content_type, kJsonContentType);
}

TEST(TypedHandler, TakesSeveralArgumentsOrNone) {
  const auto repeat = Typed(kRepeat, [](TaskContext&, const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  });
  EXPECT_EQ(RunJson(repeat, R"(["ab",3])").bytes, R"("ababab")");
  const auto list = Typed(kList, [](TaskContext&) { return std::vector<int>{1, 2}; });
  EXPECT_EQ(RunOnce(list, "", "").bytes, "[1,2]");
}

TEST(TypedHandler, AResultMayNeedAConversion) {
  EXPECT_EQ(RunJson(Typed(kSquare, [](TaskContext&, int64_t) { return 7; }), "1").bytes, "7");
}

TEST(TypedHandler, AStatusOrCarriesAValueOrAnError) {
  const auto checked = Typed(kSquare, [](TaskContext&, int64_t n) -> absl::StatusOr<int64_t> {
    if (n < 0) return absl::OutOfRangeError("negative");
    return n * n;
  });
  EXPECT_EQ(RunJson(checked, "3").bytes, "9");
  const AttemptResult failed = RunJson(checked, "-3");
  EXPECT_EQ(failed.end, AttemptEnd::kFailed);
  EXPECT_EQ(failed.error_type, "OUT_OF_RANGE");
  EXPECT_EQ(failed.error_message, "negative");
}

TEST(TypedHandler, AVoidTaskReturnsNothingOrAStatus) {
  const auto nothing = Typed(kStore, [](TaskContext&, const std::string&) {});
  EXPECT_EQ(RunJson(nothing, R"("x")").end, AttemptEnd::kSucceeded);
  EXPECT_EQ(RunJson(nothing, R"("x")").bytes, "");
  const auto status = Typed(kStore, [](TaskContext&, const std::string& text) {
    return text.empty() ? Permanent(absl::InvalidArgumentError("empty")) : absl::OkStatus();
  });
  EXPECT_EQ(RunJson(status, R"("x")").end, AttemptEnd::kSucceeded);
  EXPECT_EQ(RunJson(status, R"("")").error_type, "INVALID_ARGUMENT");
  EXPECT_TRUE(RunJson(status, R"("")").permanent);
}

TEST(TypedHandler, AnExceptionFailsTheAttempt) {
  const auto throws = Typed(
      kSquare, [](TaskContext&, int64_t) -> int64_t { throw std::domain_error("no square"); });
  EXPECT_EQ(RunJson(throws, "1").error_type, "std::domain_error");
}

TEST(TypedHandler, ArgumentsThatCannotBeDecodedFailTheTask) {
  const auto square = Typed(kSquare, [](TaskContext&, int64_t n) { return n; });
  for (const std::string payload : {"nonsense", "\"text\"", "1.5", "", "99999999999999999999"}) {
    const AttemptResult result = RunJson(square, payload);
    EXPECT_EQ(result.end, AttemptEnd::kFailed) << payload;
    EXPECT_EQ(result.error_type, "INVALID_ARGUMENT") << payload;
    EXPECT_TRUE(result.permanent) << payload;
  }
  EXPECT_EQ(RunOnce(square, "1", "application/octet-stream").error_type, "INVALID_ARGUMENT");
}

TEST(TypedHandler, BytesTravelAsTheyAre) {
  const auto reverse = Typed(kReverse, [](TaskContext&, Bytes in) {
    return Bytes(std::string(in.data.rbegin(), in.data.rend()));
  });
  const AttemptResult result = RunOnce(reverse, std::string("\0\1\2", 3), "");
  EXPECT_EQ(result.bytes, std::string("\2\1\0", 3));
  EXPECT_EQ(result.content_type, kBytesContentType);
}

TEST(TypedHandler, AHandlerThatCannotBeCopiedIsFine) {
  auto base = std::make_unique<int64_t>(5);
  const auto add =
      Typed(kSquare, [base = std::move(base)](TaskContext&, int64_t n) { return *base + n; });
  EXPECT_EQ(RunJson(add, "2").bytes, "7");
}

TEST(TypedHandler, AVoidHandlerThatLookedAtItsTokenMayHaveStopped) {
  const auto looks = Typed(kStore, [](TaskContext& context, const std::string&) {
    if (context.stop_requested()) return;
  });
  const auto does_not_look = Typed(kStore, [](TaskContext&, const std::string&) {});
  const std::string json(kJsonContentType);
  EXPECT_EQ(RunOnce(looks, R"("x")", json, StopReason::kCancelled).end, AttemptEnd::kStopped);
  EXPECT_EQ(RunOnce(looks, R"("x")", json, StopReason::kShutdown).end, AttemptEnd::kReleased);
  EXPECT_EQ(RunOnce(does_not_look, R"("x")", json, StopReason::kCancelled).end,
            AttemptEnd::kSucceeded);
}

TEST(TypedHandler, APayloadKeepsItsContentType) {
  const auto echo = TypedHandler<Payload, std::tuple<Payload>>(
      [](TaskContext&, Payload payload) { return payload; });
  const AttemptResult result = RunOnce(echo, "<a/>", "text/xml");
  EXPECT_EQ(result.bytes, "<a/>");
  EXPECT_EQ(result.content_type, "text/xml");
}

TEST(TypedHandler, AnAttemptResultSaysAnything) {
  const auto says = TypedHandler<AttemptResult, std::tuple<Bytes>>(
      [](TaskContext&, Bytes) { return AttemptResult::Failed("MyError", "mine"); });
  EXPECT_EQ(RunOnce(says, "", "").error_type, "MyError");
}

v1::Chunk ChunkOf(std::vector<std::string> items, const std::string& content_type) {
  v1::Chunk chunk;
  for (std::string& item : items) chunk.add_items(std::move(item));
  chunk.set_content_type(content_type);
  return chunk;
}

AttemptResult RunChunkOf(Handler handler, const v1::Chunk& chunk,
                         StopReason stop = StopReason::kNone) {
  return RunOnce(std::move(handler), chunk.SerializeAsString(),
                 std::string(internal::kChunkContentType), stop);
}

TEST(TypedHandler, RunsAChunkItemByItem) {
  const auto square = Typed(kSquare, [](TaskContext&, int64_t n) { return n * n; });
  const AttemptResult result = RunChunkOf(square, ChunkOf({"2", "3"}, "application/json"));
  EXPECT_EQ(result.end, AttemptEnd::kSucceeded);
  EXPECT_EQ(result.content_type, internal::kChunkContentType);
  v1::Chunk results;
  ASSERT_TRUE(results.ParseFromString(result.bytes));
  EXPECT_EQ(results.content_type(), kJsonContentType);
  EXPECT_EQ(results.items(0), "4");
  EXPECT_EQ(results.items(1), "9");
}

TEST(TypedHandler, AChunksOwnLookIsNotItsHandlers) {
  AttemptInfo info;
  info.type = "type";
  info.content_type = internal::kChunkContentType;
  const auto attempt = std::make_shared<Attempt>(
      AttemptId(), std::move(info), ChunkOf({R"("x")"}, "application/json").SerializeAsString());
  Handlers handlers;
  // It does not look, so it has done its work.
  handlers.Add("type", Typed(kStore, [&](TaskContext&, const std::string&) {
                 attempt->RequestStop(StopReason::kCancelled);
               }));
  RecordingEvents events;
  EXPECT_EQ(RunHandler(handlers, *attempt, events).end, AttemptEnd::kSucceeded);
}

TEST(TypedHandler, ASleepWithoutEndLastsUntilTheStop) {
  Attempt attempt(AttemptId(), AttemptInfo(), "");
  RecordingEvents events;
  ClientSlot no_client(nullptr);
  const TaskContext context(attempt, events, no_client);
  auto slept = std::async(std::launch::async,
                          [&] { return context.SleepFor(std::chrono::nanoseconds::max()); });
  EXPECT_EQ(slept.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  attempt.RequestStop(StopReason::kCancelled);
  EXPECT_FALSE(slept.get());
}

TEST(TypedHandler, AChunkEndsAtItsFirstFailure) {
  int runs = 0;
  const auto square = Typed(kSquare, [&runs](TaskContext&, int64_t n) -> absl::StatusOr<int64_t> {
    ++runs;
    if (n < 0) return absl::OutOfRangeError("negative");
    return n * n;
  });
  const AttemptResult failed = RunChunkOf(square, ChunkOf({"2", "-3", "4"}, "application/json"));
  EXPECT_EQ(failed.end, AttemptEnd::kFailed);
  EXPECT_EQ(failed.error_type, "OUT_OF_RANGE");
  EXPECT_EQ(failed.error_message, "negative (call 2 of 3 in a chunk)");
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(RunChunkOf(square, ChunkOf({"x"}, "application/json")).permanent);
  EXPECT_TRUE(RunOnce(square, "\xff", std::string(internal::kChunkContentType)).permanent);
  EXPECT_EQ(RunChunkOf(square, ChunkOf({"2"}, "application/json"), StopReason::kCancelled).end,
            AttemptEnd::kStopped);
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace treadle::worker
