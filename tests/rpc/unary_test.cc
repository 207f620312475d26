#include "tests/rpc/fixture.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

class UnaryCalls : public RpcTest {};

TEST_F(UnaryCalls, ATaskIsSubmittedLeasedCompletedAndAwaited) {
  v1::TaskSpec spec = Spec("mail", "hello");
  spec.set_content_type("text/plain");
  (*spec.mutable_headers())["trace"] = "abc";
  const v1::SubmitResult submitted = Submit(spec);
  EXPECT_EQ(submitted.status().code(), 0) << submitted.status().message();
  EXPECT_EQ(submitted.durability(), v1::DURABILITY_MEMORY);  // the store has no disk

  const v1::LeaseResponse leased = Lease("mail");
  ASSERT_EQ(leased.tasks_size(), 1);
  EXPECT_EQ(leased.tasks(0).task_id(), submitted.task_id());
  EXPECT_EQ(leased.tasks(0).payload(), "hello");
  EXPECT_EQ(leased.tasks(0).content_type(), "text/plain");
  EXPECT_EQ(leased.tasks(0).headers().at("trace"), "abc");
  EXPECT_EQ(leased.tasks(0).attempt(), 1);
  EXPECT_EQ(leased.tasks(0).max_attempts(), 3);

  EXPECT_FALSE(Await(submitted.task_id(), 0).finished());
  EXPECT_FALSE(Await(submitted.task_id(), 50).finished());
  EXPECT_EQ(Complete(Succeeded(leased.tasks(0), "42")).status().code(), 0);
  const v1::AwaitTaskResponse awaited = Await(submitted.task_id());
  ASSERT_TRUE(awaited.finished());
  EXPECT_EQ(awaited.outcome().state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(awaited.outcome().result(), "42");
  EXPECT_TRUE(Await(submitted.task_id(), 0).finished());
}

}  // namespace
}  // namespace treadle::test
