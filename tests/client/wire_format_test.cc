#include "client/ledger/wire_format.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "treadle/v1/task_service.pb.h"

namespace treadle::client {
namespace {

TEST(WireFormat, ProtobufReadsWhatWeWrite) {
  for (const uint64_t sequence : {uint64_t{1}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) {
    for (const size_t payload_bytes : {0, 1, 100, 127, 128, 300'000}) {
      std::string spec;
      AppendField(spec, v1::TaskSpec::kQueueFieldNumber, "cpu");
      AppendField(spec, v1::TaskSpec::kPayloadFieldNumber, std::string(payload_bytes, '\xfe'));
      std::string message;
      AppendField(message, v1::SessionRequest::kAcknowledgedBelowFieldNumber, sequence);
      const size_t before = message.size();
      AppendPair(message, v1::SessionRequest::kTasksFieldNumber,
                 v1::SequencedTask::kSequenceFieldNumber, sequence,
                 v1::SequencedTask::kTaskFieldNumber, spec);
      EXPECT_LE(message.size() - before, PairBytesMax(spec.size()));
      AppendField(message, v1::SessionRequest::kAwaitTaskIdsFieldNumber, "7-1");

      v1::SessionRequest request;
      ASSERT_TRUE(request.ParseFromString(message));
      EXPECT_EQ(request.acknowledged_below(), sequence);
      ASSERT_EQ(request.tasks_size(), 1);
      EXPECT_EQ(request.tasks(0).sequence(), sequence);
      EXPECT_EQ(request.tasks(0).task().queue(), "cpu");
      EXPECT_EQ(request.tasks(0).task().payload().size(), payload_bytes);
      EXPECT_EQ(request.await_task_ids(0), "7-1");
    }
  }
}

}  // namespace
}  // namespace treadle::client
