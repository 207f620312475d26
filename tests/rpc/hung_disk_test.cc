#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "proto/wire/disk_hung.h"
#include "server/store/memory_store.h"
#include "tests/rpc/stream.h"

// What those are told who wait for a disk that does not answer.

namespace treadle::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

// A store whose syncs do not return while its disk hangs.
class HangingStore final : public store::Store {
 public:
  explicit HangingStore(const Clock& clock) : clock_(clock), rows_(clock) {}

  // Any thread.
  void Hang() { hangs_since_ms_ = clock_.NowMs(); }
  void Answer() {
    hangs_since_ms_ = 0;
    if (asked_.exchange(false)) on_synced_(appended_.load());
  }

  std::string_view Kind() const override { return "hanging"; }
  store::Reach reach() const override { return store::Reach::kDisk; }
  absl::StatusOr<store::Sequence> Append(const store::WriteBatch& batch) override {
    const absl::StatusOr<store::Sequence> sequence = rows_.Append(batch);
    appended_ = *sequence;
    return sequence;
  }
  void RequestSync() override {
    asked_ = true;
    if (hangs_since_ms_ == 0 && asked_.exchange(false)) on_synced_(appended_.load());
  }
  void SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)> on_synced) override {
    on_synced_ = std::move(on_synced);
  }
  absl::StatusOr<std::string> Get(std::string_view key) override { return rows_.Get(key); }
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override {
    return rows_.Scan(begin, end, rows_max, visit);
  }
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override {
    return rows_.ScanBack(begin, end, rows_max, visit);
  }
  int64_t FreeBytes() override { return rows_.FreeBytes(); }
  std::optional<int64_t> BusySinceMs() const override {
    const int64_t since_ms = hangs_since_ms_;
    return since_ms == 0 ? std::nullopt : std::optional(since_ms);
  }

 private:
  const Clock& clock_;
  store::MemoryStore rows_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced_;
  std::atomic<store::Sequence> appended_ = 0;
  std::atomic<int64_t> hangs_since_ms_ = 0;  // 0: it does not
  std::atomic<bool> asked_ = false;          // for a sync that has not returned
};

class HungDiskTest : public RpcTest {
 protected:
  HungDiskTest() : RpcTest(Options()) {}
  ~HungDiskTest() override { disk().Answer(); }

  static LocalServerOptions Options() {
    LocalServerOptions options;
    options.make_store = [](const Clock& clock) { return std::make_unique<HangingStore>(clock); };
    return options;
  }
  HangingStore& disk() { return static_cast<HangingStore&>(server.store()); }

  static v1::TaskSpec Keyed(const std::string& key) {
    v1::TaskSpec spec = Spec("q");
    spec.set_request_key(key);
    return spec;
  }
  // How a submit ends whose client waits so long.
  grpc::Status SubmitWithin(const v1::TaskSpec& spec, milliseconds timeout) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    v1::SubmitRequest request;
    *request.add_tasks() = spec;
    v1::SubmitResponse response;
    return tasks->Submit(&context, request, &response);
  }
  // How a call ends that was told in time, which a busy machine may miss: it is made anew then.
  static grpc::Status UntilTold(const std::function<grpc::Status()>& call) {
    grpc::Status status;
    for (int i = 0; i < 10; ++i) {
      status = call();
      if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED ||
          status.error_message().find("disk") != std::string::npos) {
        break;
      }
    }
    return status;
  }
  static void ExpectTold(const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_THAT(status.error_message(), HasSubstr("the broker's disk has not answered for"));
    EXPECT_THAT(status.error_message(), HasSubstr("may still be stored"));
    EXPECT_THAT(status.error_message(), HasSubstr("request key"));
  }
};

TEST_F(HungDiskTest, StreamsAreToldEachSecondAndWhoAsksForTheServer) {
  SessionClient session(*tasks);
  session.Open();
  WorkerClient worker(*workers);
  worker.Write(WorkerClient::Hello("w", "q"));
  EXPECT_TRUE(worker.Next().has_welcome());
  EXPECT_EQ(Info().disk_hung_ms(), 0);
  disk().Hang();
  session.Submit(1, Spec("q"));
  v1::SessionResponse told = session.Next();
  EXPECT_GE(told.disk_hung_ms(), wire::kDiskHungMs);
  EXPECT_EQ(told.accepted_size(), 0);
  EXPECT_GE(worker.Next().disk_hung_ms(), wire::kDiskHungMs);
  EXPECT_GE(Info().disk_hung_ms(), wire::kDiskHungMs);
  EXPECT_GE(server.edge().Figures().disk_hung_ms, wire::kDiskHungMs);
  for (int i = 0; i < 2; ++i) {
    const v1::SessionResponse again = session.Next();
    EXPECT_GE(again.disk_hung_ms(), told.disk_hung_ms() + wire::kDiskToldEveryMs / 2);
    told = again;
  }
  disk().Answer();
  while (told.disk_hung_ms() > 0) told = session.Next();
  ASSERT_EQ(told.accepted_size(), 1);
  EXPECT_EQ(told.accepted(0).last_sequence(), 1U);
  Eventually([this] { return Info().disk_hung_ms() == 0; });
}

TEST_F(HungDiskTest, ACallThatWaitsForItEndsShortlyBeforeItsDeadlineAndMayBeMadeAgain) {
  const std::string running = Submit(Spec("running")).task_id();
  ASSERT_EQ(Lease("running").tasks_size(), 1);
  disk().Hang();
  // These wait for other things, and longer.
  std::thread awaits([&] { EXPECT_FALSE(Await(running, 6'000).finished()); });
  std::thread leases([&] { EXPECT_EQ(Lease("empty", 1, 6'000).tasks_size(), 0); });
  ExpectTold(UntilTold([this] { return SubmitWithin(Keyed("once"), seconds(5)); }));
  v1::TaskSpec quick = Spec("q");
  quick.set_durability(v1::DURABILITY_MEMORY);
  EXPECT_EQ(Submit(quick).status().code(), 0);
  std::string name = "made";
  ExpectTold(UntilTold([&] {
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name(name += "-again");
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(3));
    v1::CreateQueueResponse response;
    return queues->CreateQueue(&context, request, &response);
  }));
  awaits.join();
  leases.join();
  disk().Answer();
  EXPECT_TRUE(Submit(Keyed("once")).existing());
}

TEST_F(HungDiskTest, ASessionThatBeginsThenIsOpenedAndTold) {
  disk().Hang();
  SessionClient session(*tasks);
  EXPECT_NE(session.Open().session_id(), 0U);
  v1::TaskSpec quick = Spec("q");
  quick.set_durability(v1::DURABILITY_MEMORY);
  session.Submit(1, quick);
  v1::SessionResponse next = session.Next();
  while (next.disk_hung_ms() > 0) next = session.Next();
  ASSERT_EQ(next.accepted_size(), 1);
  EXPECT_EQ(next.accepted(0).durability(), v1::DURABILITY_MEMORY);
  session.Submit(2, Spec("q"));
  EXPECT_GE(session.Next().disk_hung_ms(), wire::kDiskHungMs);
  disk().Answer();
  next = session.Next();
  while (next.disk_hung_ms() > 0) next = session.Next();
  ASSERT_EQ(next.accepted_size(), 1);
  EXPECT_EQ(next.accepted(0).last_sequence(), 2U);
}

TEST_F(HungDiskTest, ACallThatWaitsForItEndsAfterTenSeconds) {
  const std::string task = Submit(Spec("q")).task_id();
  const v1::LeaseResponse leased = Lease("q");
  ASSERT_EQ(leased.tasks_size(), 1);
  disk().Hang();
  const auto begun = steady_clock::now();
  std::thread awaits([&] {
    grpc::ClientContext context;
    v1::AwaitTaskRequest request;
    request.set_task_id(task);
    request.set_timeout_ms(60'000);
    v1::AwaitTaskResponse response;
    ExpectTold(tasks->AwaitTask(&context, request, &response));
  });
  Context context;
  v1::CompleteRequest request;
  *request.add_reports() = Succeeded(leased.tasks(0), "result");
  v1::CompleteResponse response;
  ExpectTold(workers->Complete(&context, request, &response));
  EXPECT_GE(steady_clock::now() - begun, seconds(10));
  awaits.join();
  disk().Answer();
  EXPECT_EQ(Complete(Succeeded(leased.tasks(0), "result")).status().code(), 0);
  EXPECT_EQ(Await(task).outcome().result(), "result");
}

}  // namespace
}  // namespace treadle::test
