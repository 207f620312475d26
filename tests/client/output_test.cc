#include "treadle/output.h"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "client/future/future_state.h"
#include "client/future/output_calls.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

// Entries of one attempt, with one letter each: "abc" are three.
v1::OutputRun RunOf(uint64_t first_offset, const std::string& letters, int32_t attempt = 1,
                    bool superseded = false) {
  v1::OutputRun run;
  run.set_first_offset(first_offset);
  run.set_attempt(attempt);
  run.set_superseded(superseded);
  for (const char letter : letters) {
    v1::OutputEntry& entry = *run.add_entries();
    entry.set_kind(v1::OUTPUT_KIND_LOG);
    entry.set_data(std::string(1, letter));
  }
  return run;
}

v1::ReadOutputResponse Answer(const std::vector<v1::OutputRun>& runs, uint64_t next_offset,
                              bool end = false) {
  v1::ReadOutputResponse response;
  for (const v1::OutputRun& run : runs) *response.add_runs() = run;
  response.set_next_offset(next_offset);
  response.set_end(end);
  return response;
}

// What a broker answers, and what it was asked; pauses take no time.
struct Script {
  std::deque<absl::StatusOr<v1::ReadOutputResponse>> answers;
  absl::Status otherwise = absl::InternalError("asked once too often");
  std::vector<v1::ReadOutputRequest> asked;
  std::vector<Timeout> timeouts;
  int pauses = 0;
  bool stopped = false;
  std::chrono::milliseconds give_up_after{0};

  std::vector<uint64_t> offsets() const {
    std::vector<uint64_t> offsets;
    for (const v1::ReadOutputRequest& request : asked) offsets.push_back(request.offset());
    return offsets;
  }
};

class ScriptedCalls final : public client::OutputCalls {
 public:
  explicit ScriptedCalls(Script& script) : script_(script) {}

  absl::StatusOr<v1::ReadOutputResponse> Read(const v1::ReadOutputRequest& request,
                                              Timeout timeout) override {
    if (script_.stopped) return absl::CancelledError("stopped");
    script_.asked.push_back(request);
    script_.timeouts.push_back(timeout);
    if (script_.answers.empty()) return script_.otherwise;
    absl::StatusOr<v1::ReadOutputResponse> answer = std::move(script_.answers.front());
    script_.answers.pop_front();
    return answer;
  }
  absl::Status PauseUntil(steady_clock::time_point) override {
    ++script_.pauses;
    return script_.stopped ? absl::CancelledError("stopped") : absl::OkStatus();
  }
  void Stop() override { script_.stopped = true; }
  std::chrono::milliseconds call_timeout() const override { return 10s; }
  std::chrono::milliseconds give_up_after() const override { return script_.give_up_after; }

 private:
  Script& script_;
};

TaskOutput Follow(Script& script, const FollowOptions& options = FollowOptions()) {
  return TaskOutput(std::make_unique<ScriptedCalls>(script), "3-1", options);
}

std::string Letters(TaskOutput& output) {
  std::string letters;
  for (const OutputEntry& entry : output) letters += entry.data;
  return letters;
}

TEST(TaskOutput, EachEntryComesOnceAndInOrder) {
  Script script;
  // 2 was not kept; the second answer has one again that was read.
  script.answers = {Answer({RunOf(0, "ab", 1, /*superseded=*/true), RunOf(3, "d", 2)}, 4),
                    Answer({RunOf(3, "def", 2)}, 7), Answer({}, 7, /*end=*/true)};
  TaskOutput output = Follow(script);
  std::vector<std::tuple<uint64_t, int, bool, std::string>> entries;
  for (const OutputEntry& entry : output) {
    EXPECT_EQ(entry.kind, OutputKind::kLog);
    entries.emplace_back(entry.offset, entry.attempt, entry.superseded, entry.data);
  }
  EXPECT_THAT(entries, ElementsAre(std::tuple(0, 1, true, "a"), std::tuple(1, 1, true, "b"),
                                   std::tuple(3, 2, false, "d"), std::tuple(4, 2, false, "e"),
                                   std::tuple(5, 2, false, "f")));
  EXPECT_EQ(output.status(), absl::OkStatus());
  EXPECT_TRUE(output.ended());
  EXPECT_THAT(script.offsets(), ElementsAre(0, 4, 7));
  EXPECT_EQ(script.asked[0].task_id(), "3-1");
  EXPECT_EQ(script.asked[0].wait_ms(), 30'000);
  EXPECT_EQ(script.timeouts[0], Timeout(40s));
  EXPECT_EQ(script.pauses, 0);
}

TEST(TaskOutput, AnEntryIsWhole) {
  v1::OutputRun run = RunOf(5, "x", 3);
  v1::OutputEntry& said = *run.mutable_entries(0);
  said.set_kind(v1::OUTPUT_KIND_PART);
  said.set_time_ms(1'700'000'000'123);
  said.set_data("[1,2]");
  said.set_content_type(std::string(kJsonContentType));
  *run.add_entries() = said;
  run.mutable_entries(1)->set_kind(static_cast<v1::OutputKind>(77));
  Script script;
  script.answers = {Answer({run}, 7, /*end=*/true)};
  FollowOptions options;
  options.from_offset = 5;
  TaskOutput output = Follow(script, options);

  const OutputEntry part = *output.Next();
  EXPECT_EQ(part.offset, 5u);
  EXPECT_EQ(part.attempt, 3);
  EXPECT_EQ(part.time_ms, 1'700'000'000'123);
  EXPECT_EQ(part.content_type, kJsonContentType);
  EXPECT_THAT(*part.As<std::vector<int>>(), ElementsAre(1, 2));
  EXPECT_TRUE(absl::IsInvalidArgument(part.As<std::string>().status()));
  EXPECT_FALSE(output.ended());
  EXPECT_EQ(output.next_offset(), 6u);

  const OutputEntry unknown = *output.Next();
  EXPECT_EQ(unknown.kind, OutputKind::kUnknown);
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.As<std::vector<int>>().status()));
  EXPECT_FALSE(output.Next().has_value());
  EXPECT_EQ(output.next_offset(), 7u);
}

TEST(TaskOutput, WhatPassesIsAskedAgainFromTheSameOffset) {
  Script script;
  script.answers = {Answer({RunOf(0, "a")}, 1),
                    absl::UnavailableError("restarting"),
                    absl::ResourceExhaustedError("too many read"),
                    absl::DeadlineExceededError("the disk hangs"),
                    Answer({RunOf(1, "b")}, 2),
                    Answer({}, 2, /*end=*/true)};
  TaskOutput output = Follow(script);
  EXPECT_EQ(Letters(output), "ab");
  EXPECT_EQ(output.status(), absl::OkStatus());
  EXPECT_THAT(script.offsets(), ElementsAre(0, 1, 1, 1, 1, 2));
  EXPECT_EQ(script.pauses, 3);
}

TEST(TaskOutput, AnErrorThatStaysEndsIt) {
  Script script;
  script.answers = {Answer({RunOf(0, "a")}, 1), absl::NotFoundError("no such task")};
  TaskOutput output = Follow(script);
  EXPECT_EQ(Letters(output), "a");
  EXPECT_EQ(output.status(), absl::NotFoundError("no such task"));
  EXPECT_FALSE(output.ended());
  EXPECT_EQ(output.next_offset(), 1u);
  EXPECT_FALSE(output.Next().has_value());
  EXPECT_THAT(script.asked, SizeIs(2));
}

TEST(TaskOutput, ABrokerThatStaysAwayIsGivenUp) {
  Script script;
  script.give_up_after = 1ms;
  script.otherwise = absl::UnavailableError("refused");
  TaskOutput output = Follow(script);
  EXPECT_EQ(Letters(output), "");
  EXPECT_EQ(output.status(), absl::UnavailableError("refused"));
}

TEST(TaskOutput, WithoutWaitingItEndsWithWhatIsThere) {
  FollowOptions options;
  options.wait = false;
  Script script;
  // Nothing was kept of 2 to 4.
  script.answers = {Answer({RunOf(0, "ab")}, 2), Answer({}, 5), Answer({RunOf(5, "c")}, 6),
                    Answer({}, 6)};
  TaskOutput output = Follow(script, options);
  EXPECT_EQ(Letters(output), "abc");
  EXPECT_EQ(output.status(), absl::OkStatus());
  EXPECT_FALSE(output.ended());
  EXPECT_EQ(script.asked[1].wait_ms(), 0);
  EXPECT_EQ(script.timeouts[1], Timeout(10s));

  Script away;
  away.answers = {absl::UnavailableError("refused")};
  TaskOutput nothing = Follow(away, options);
  EXPECT_EQ(Letters(nothing), "");
  EXPECT_EQ(nothing.status(), absl::UnavailableError("refused"));
}

TEST(TaskOutput, ATimeoutBoundsEachCallAndSaysWhereToGoOn) {
  FollowOptions options;
  options.timeout = 20s;
  Script script;
  script.answers = {Answer({RunOf(0, "ab")}, 2), absl::InternalError("enough")};
  TaskOutput output = Follow(script, options);
  EXPECT_EQ(Letters(output), "ab");
  EXPECT_THAT(script.asked[0].wait_ms(), Le(20'000));
  EXPECT_THAT(script.timeouts[0], Le(Timeout(20s)));

  options.timeout = kNoWait;
  options.from_offset = 7;
  TaskOutput late = Follow(script, options);
  EXPECT_EQ(Letters(late), "");
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("from offset 7"));
}

// A gateway that does not wait, say: it is not asked without a pause.
TEST(TaskOutput, AnAnswerThatCameTooSoonIsFollowedByAPause) {
  Script script;
  script.answers = {Answer({}, 0), Answer({}, 0), Answer({RunOf(0, "a")}, 1, /*end=*/true)};
  TaskOutput output = Follow(script);
  EXPECT_EQ(Letters(output), "a");
  EXPECT_EQ(script.pauses, 2);
}

TEST(TaskOutput, StopEndsItAfterWhatWasRead) {
  Script script;
  script.answers = {Answer({RunOf(0, "ab")}, 2)};
  TaskOutput output = Follow(script);
  EXPECT_EQ(output.Next()->data, "a");
  output.Stop();
  EXPECT_EQ(output.next_offset(), 1u);
  EXPECT_EQ(Letters(output), "b");
  EXPECT_TRUE(absl::IsCancelled(output.status()));
  EXPECT_THAT(script.asked, SizeIs(1));
}

TEST(TaskOutput, OfAFutureThatNeverBecameATaskItIsTheRefusal) {
  const FutureBase refused(client::EndedState(absl::ResourceExhaustedError("full")));
  TaskOutput output = refused.Follow();
  EXPECT_EQ(Letters(output), "");
  EXPECT_EQ(output.status(), absl::ResourceExhaustedError("full"));
  output.Stop();
}

}  // namespace
}  // namespace treadle
