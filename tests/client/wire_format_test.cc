#include "client/ledger/wire_format.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "treadle/v1/task_service.pb.h"

namespace treadle::client {
namespace {

TEST(WireFormat, ProtobufReadsWhatWeWrite) {
  for (const uint64_t number : {uint64_t{1}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) {
    std::string message;
    AppendField(message, v1::SessionRequest::kAcknowledgedBelowFieldNumber, number);
    AppendField(message, v1::SessionRequest::kAwaitTaskIdsFieldNumber, "7-1");
    v1::SessionRequest request;
    ASSERT_TRUE(request.ParseFromString(message));
    EXPECT_EQ(request.acknowledged_below(), number);
    EXPECT_EQ(request.await_task_ids(0), "7-1");
  }
}

}  // namespace
}  // namespace treadle::client
