#include "worker/pool/output.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "tests/worker/pool/recording_events.h"
#include "treadle/permanent_error.h"
#include "treadle/task_context.h"
#include "worker/pool/client_slot.h"

namespace treadle::worker {
namespace {

using ::testing::HasSubstr;

constexpr size_t kEntryMax = limits::kOutputEntryBytesMax;

class OutputTest : public ::testing::Test {
 protected:
  std::vector<std::string> Said() {
    std::vector<std::string> said;
    for (OutputEntry& entry : events_.output(1)) said.push_back(std::move(entry.data));
    return said;
  }
  // The type of what Emit throws; empty: nothing.
  std::string ErrorOf(Payload part) {
    try {
      context_.Emit(std::move(part));
    } catch (const PermanentError& error) {
      message_ = error.what();
      return error.type();
    }
    return "";
  }

  const AttemptPtr attempt_ = NewAttempt(1, "type");
  RecordingEvents events_;
  ClientSlot client_{nullptr};
  TaskContext context_{*attempt_, events_, client_};
  std::string message_;
};

TEST_F(OutputTest, ALineIsAnEntryAndSoIsAnEmptyOne) {
  context_.Log("line");
  context_.Log("");
  context_.Log(std::string(kEntryMax, 'x'));
  EXPECT_THAT(Said(), ::testing::ElementsAre("line", "", std::string(kEntryMax, 'x')));
}

TEST_F(OutputTest, LongTextIsCutBetweenCharacters) {
  // Of three bytes each: the bound falls within one.
  static_assert(kEntryMax % 3 == 1);
  std::string text;
  while (text.size() <= 2 * kEntryMax) text += "\u20AC";
  context_.Log(text);
  const std::vector<std::string> said = Said();
  ASSERT_EQ(said.size(), 3);
  EXPECT_EQ(said[0].size(), kEntryMax - 1);
  EXPECT_EQ(said[1].size(), kEntryMax - 1);
  EXPECT_EQ(said[0] + said[1] + said[2], text);
}

TEST_F(OutputTest, BytesThatAreNoTextAreCutAnywhere) {
  const std::string bytes(2 * kEntryMax + 5, '\x80');
  context_.LogStandardError(bytes);
  const std::vector<std::string> said = Said();
  ASSERT_EQ(said.size(), 3);
  EXPECT_EQ(said[0].size(), kEntryMax);
  EXPECT_EQ(said[0] + said[1] + said[2], bytes);
}

TEST_F(OutputTest, APartThatNoEntryTakesIsRefused) {
  EXPECT_EQ(ErrorOf(Payload(std::string(kEntryMax, 'x'), std::string(255, 't'))), "");
  EXPECT_EQ(ErrorOf(Payload(std::string(kEntryMax + 1, 'x'), "")), "PartTooLarge");
  EXPECT_THAT(message_, HasSubstr("has 1048577 bytes: emit parts of at most 1048576"));
  EXPECT_EQ(ErrorOf(Payload("", std::string(256, 't'))), "BadContentType");
  EXPECT_EQ(ErrorOf(Payload("", "text\n")), "BadContentType");
  EXPECT_EQ(ErrorOf(Payload("", "\xFF")), "BadContentType");
  EXPECT_EQ(events_.output(1).size(), 1);
}

TEST_F(OutputTest, WithoutRoomItWaitsUntilThereIsSome) {
  events_.FillUp();
  std::thread handler([this] { context_.Log("late"); });
  EXPECT_TRUE(events_.WaitForRefused(2)) << "the second time it wants to be told";
  events_.MakeRoom();
  handler.join();
  EXPECT_THAT(Said(), ::testing::ElementsAre("late"));
}

TEST_F(OutputTest, WithoutRoomItIsDroppedWhenTheAttemptMustStop) {
  events_.FillUp();
  std::thread handler([this] { context_.Log("never"); });
  EXPECT_TRUE(events_.WaitForRefused(2));
  attempt_->RequestStop(StopReason::kLeaseLost);
  handler.join();
  context_.Log("does not wait any more");
  events_.MakeRoom();
  context_.Log("bye");
  EXPECT_THAT(Said(), ::testing::ElementsAre("bye"));
  EXPECT_FALSE(context_.may_have_stopped()) << "the handler has not looked";
}

}  // namespace
}  // namespace treadle::worker
