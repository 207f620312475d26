#include "client/ledger/run_writer.h"

#include <cstdint>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "treadle/v1/task_service.pb.h"

namespace treadle::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const std::string> Common(const std::string& queue) {
  v1::TaskSpec common;
  common.set_queue(queue);
  return std::make_shared<const std::string>(common.SerializeAsString());
}

class RunWriterTest : public ::testing::Test {
 protected:
  v1::SessionRequest Finish() {
    writer_.Finish();
    v1::SessionRequest request;
    EXPECT_TRUE(request.ParseFromString(message_));
    return request;
  }

  const std::shared_ptr<const std::string> cpu_ = Common("cpu");
  std::string message_;
  RunWriter writer_{message_, v1::SessionRequest::kRunsFieldNumber};
};

TEST_F(RunWriterTest, WhatFollowsAndAgreesIsOneRun) {
  const EncodedTask one{cpu_, "one", ""};
  const EncodedTask two{Common("cpu"), "", ""};  // equal, and not the same
  const EncodedTask three{cpu_, std::string(300, '3'), ""};
  writer_.Add(5, one);
  writer_.Add(6, two);
  writer_.Add(7, three);
  const v1::SessionRequest request = Finish();
  ASSERT_EQ(request.runs_size(), 1);
  const v1::TaskRun& run = request.runs(0);
  EXPECT_EQ(run.first_sequence(), 5u);
  EXPECT_EQ(run.common().queue(), "cpu");
  EXPECT_THAT(run.payload_sizes(), ElementsAre(3, 0, 300));
  EXPECT_EQ(run.payloads(), "one" + three.payload);
  EXPECT_THAT(run.request_keys(), IsEmpty());
}

TEST_F(RunWriterTest, AnotherRunBeginsWhereTasksDiffer) {
  const EncodedTask plain{cpu_, "a", ""};
  const EncodedTask keyed{cpu_, "b", "key"};
  const EncodedTask elsewhere{Common("gpu"), "c", ""};
  writer_.Add(1, plain);
  writer_.Add(2, keyed);
  writer_.Add(3, keyed);
  writer_.Add(5, keyed);  // a gap
  writer_.Add(6, elsewhere);
  const v1::SessionRequest request = Finish();
  ASSERT_EQ(request.runs_size(), 4);
  EXPECT_THAT(request.runs(0).request_keys(), IsEmpty());
  EXPECT_EQ(request.runs(1).first_sequence(), 2u);
  EXPECT_THAT(request.runs(1).request_keys(), ElementsAre("key", "key"));
  EXPECT_EQ(request.runs(2).first_sequence(), 5u);
  EXPECT_EQ(request.runs(3).common().queue(), "gpu");
}

TEST_F(RunWriterTest, IsNeverLargerThanItSaid) {
  for (const size_t bytes : {0, 1, 127, 128, 20'000, 3'000'000}) {
    for (const char* key : {"", "a key"}) {
      std::string message;
      RunWriter writer(message, v1::SessionRequest::kRunsFieldNumber);
      const EncodedTask task{cpu_, std::string(bytes, 'x'), key};
      EXPECT_EQ(writer.BytesWith(task), RunWriter::BytesMax(task));
      writer.Add(UINT64_MAX - 1, task);
      const size_t said = writer.BytesWith(task);
      writer.Add(UINT64_MAX, task);
      writer.Finish();
      EXPECT_LE(message.size(), said);
    }
  }
}

}  // namespace
}  // namespace treadle::client
