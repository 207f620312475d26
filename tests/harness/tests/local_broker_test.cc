#include <string>

#include "tests/support/with_broker.h"

namespace treadle::testing {
namespace {

using test::kPatience;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr TaskType<int64_t(int64_t)> kDouble{"double"};

TEST(LocalBroker, ServesAtAPortOfItsOwn) {
  const auto one = test::StartBroker();
  const auto other = test::StartBroker();
  EXPECT_THAT(one->address(), StartsWith("127.0.0.1:"));
  EXPECT_NE(one->address(), other->address());
}

TEST(LocalBroker, RefusesOptionsOutOfBounds) {
  LocalBrokerOptions options;
  options.lease = Milliseconds(0);
  const absl::Status refused = LocalBroker::Start(options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("lease in ms is 0: choose 1000 or more"));
}

TEST(LocalBroker, IsGoneAfterStop) {
  const auto broker = test::StartBroker();
  const auto client = test::ConnectTo(broker->address());
  broker->Stop();
  ClientOptions options(broker->address());
  options.connect_timeout = Milliseconds(200);
  EXPECT_TRUE(absl::IsUnavailable(Client::Connect(options).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(broker->Advance(Milliseconds(1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(broker->Restart()));
}

TEST(LocalWorker, IsDrainedAtTheEndOfItsScope) {
  const auto broker = test::StartBroker();
  const Executor executor(broker->client(), ExecutorOptions("cpu"));
  Future<int64_t> future;
  {
    LocalWorker worker(*broker, "cpu");
    worker->Handle(kDouble, [](TaskContext&, int64_t n) { return 2 * n; });
    worker.Start();
    EXPECT_EQ(executor.Submit(kDouble, 1).Result(kPatience).value(), 2);
    future = executor.Submit(kDouble, 2);
  }
  // Done by it, or left for the next one.
  const LocalWorker worker(*broker, "cpu", [](Worker& other) {
    other.Handle(kDouble, [](TaskContext&, int64_t n) { return 2 * n; });
  });
  EXPECT_EQ(future.Result(kPatience).value(), 4);
}

TEST(LocalWorker, SaysWhyItCannotRun) {
  const auto broker = test::StartBroker();
  LocalWorker worker(*broker, "cpu");
  worker.Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(worker.Join()));  // it has no handlers
}

}  // namespace
}  // namespace treadle::testing
