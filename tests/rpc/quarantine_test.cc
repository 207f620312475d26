#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the broker tells its log.
struct News {
  std::mutex mutex;
  std::vector<std::string> told;

  std::vector<std::string> Told() {
    std::lock_guard lock(mutex);
    return told;
  }
};

class Quarantine : public RpcTest {
 protected:
  Quarantine() : Quarantine(std::make_shared<News>()) {}
  explicit Quarantine(std::shared_ptr<News> news)
      : RpcTest(AfterTwo(news)), news_(std::move(news)) {}

  static LocalServerOptions AfterTwo(const std::shared_ptr<News>& news) {
    LocalServerOptions options;
    options.broker.engine.quarantine_after = 2;
    options.broker.on_news = [news](const std::string& text) {
      std::lock_guard lock(news->mutex);
      news->told.push_back(text);
    };
    return options;
  }

  struct Attached {
    Attached(v1::WorkerService::Stub& stub, const std::string& id) : stream(stub) {
      stream.Write(WorkerClient::Hello(id, "mail"));
      EXPECT_TRUE(stream.Next().has_welcome());
    }

    v1::LeasedTask Take() {
      Offer();
      return stream.NextTask();
    }
    void Offer() {
      v1::AttachRequest credit;
      WorkerClient::AddCredit(credit, 1);
      stream.Write(credit);
    }
    void Report(const v1::AttemptReport& report) {
      v1::AttachRequest request;
      request.set_report_sequence(++reports);
      *request.add_reports() = report;
      stream.Write(request);
      EXPECT_EQ(stream.Next().handled_report_sequence(), reports);
    }

    WorkerClient stream;
    uint64_t reports = 0;
  };

  static v1::AttemptReport Failed(const v1::LeasedTask& task) {
    v1::AttemptReport report;
    report.set_token(task.token());
    report.set_end(v1::ATTEMPT_END_FAILED);
    report.mutable_error()->set_type("DiskFull");
    report.mutable_error()->set_message("no space\nleft");
    return report;
  }

  // Two of the one worker's attempts fail, and one of the other's succeeds between.
  void FailTwice(Attached& bad, Attached& good) {
    bad.Report(Failed(bad.Take()));
    good.Report(Succeeded(good.Take(), "done"));
    bad.Report(Failed(bad.Take()));
  }

  v1::Worker Shown(const std::string& id) {
    Context context;
    v1::ListWorkersResponse response;
    EXPECT_TRUE(admin->ListWorkers(&context, {}, &response).ok());
    for (const v1::Worker& worker : response.workers()) {
      if (worker.worker_id() == id) return worker;
    }
    return {};
  }

  grpc::Status Release(const std::string& worker, v1::ReleaseWorkerResponse& response) {
    Context context;
    context.AddMetadata("treadle-actor", "ann@build-7");
    v1::ReleaseWorkerRequest request;
    request.set_worker(worker);
    request.set_reason("new disk");
    return admin->ReleaseWorker(&context, request, &response);
  }

  const std::shared_ptr<News> news_;
};

TEST_F(Quarantine, IsShownLoggedAndExplainedAndEndsByHand) {
  for (int i = 0; i < 4; ++i) Submit(Spec("mail"));
  Attached bad(*workers, "bad");
  Attached good(*workers, "good");
  FailTwice(bad, good);

  const v1::Worker shown = Shown("bad");
  ASSERT_TRUE(shown.has_quarantine());
  EXPECT_GT(shown.quarantine().since_ms(), 0);
  EXPECT_EQ(shown.quarantine().failed(), 2);
  EXPECT_EQ(shown.quarantine().others_succeeded(), 1);
  EXPECT_EQ(shown.quarantine().queue(), "mail");
  EXPECT_EQ(shown.quarantine().type(), "noop");
  EXPECT_EQ(shown.quarantine().error().type(), "DiskFull");
  EXPECT_EQ(shown.quarantine().error().message(), "no space\nleft");
  EXPECT_FALSE(Shown("good").has_quarantine());
  EXPECT_THAT(news_->Told(),
              ElementsAre(AllOf(HasSubstr("worker 'name of bad' (bad) is in quarantine"),
                                HasSubstr("with DiskFull: no space\\nleft;"))));

  bad.Offer();
  const v1::SubmitResult submitted = Submit(Spec("mail"));
  v1::ExplainTaskRequest question;
  question.set_task_id(submitted.task_id());
  v1::ExplainTaskResponse why;
  {
    Context context;
    ASSERT_TRUE(tasks->ExplainTask(&context, question, &why).ok());
  }
  const v1::TaskReason& last = why.reasons(why.reasons_size() - 1);
  EXPECT_EQ(last.reason(), v1::REASON_QUARANTINED);
  EXPECT_EQ(last.end(), v1::REASON_END_BY_OPERATOR);
  EXPECT_THAT(last.workers(), ElementsAre("name of bad"));
  EXPECT_THAT(last.text(), HasSubstr("in quarantine"));
  EXPECT_THAT(last.advice(), HasSubstr("treadle worker release"));

  v1::ReleaseWorkerResponse released;
  EXPECT_EQ(Release("", released).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Release("nobody", released).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Release("good", released).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Release("name of bad", released).ok());
  EXPECT_EQ(released.workers(), 1);
  EXPECT_EQ(bad.stream.NextTask().type(), "noop");  // for what it had offered meanwhile
  EXPECT_FALSE(Shown("bad").has_quarantine());

  v1::ListActionsRequest actions_of;
  actions_of.add_kinds(v1::ACTION_KIND_WORKER_RELEASED);
  v1::ListActionsResponse actions;
  {
    Context context;
    ASSERT_TRUE(admin->ListActions(&context, actions_of, &actions).ok());
  }
  ASSERT_EQ(actions.actions_size(), 1);
  EXPECT_EQ(actions.actions(0).subject(), "bad");
  EXPECT_EQ(actions.actions(0).reason(), "new disk");
  EXPECT_EQ(actions.actions(0).actor(), "ann@build-7");
  EXPECT_THAT(actions.actions(0).details(), HasSubstr("DiskFull"));
}

TEST_F(Quarantine, EndsWhenNobodyElseIsLeft) {
  for (int i = 0; i < 4; ++i) Submit(Spec("mail"));
  Attached bad(*workers, "bad");
  Attached good(*workers, "good");
  FailTwice(bad, good);
  ASSERT_TRUE(Shown("bad").has_quarantine());
  bad.Offer();
  good.stream.Cancel();
  EXPECT_EQ(bad.stream.NextTask().type(), "noop");
  EXPECT_FALSE(Shown("bad").has_quarantine());
  EXPECT_THAT(news_->Told(), Contains(HasSubstr("released from quarantine")));
}

}  // namespace
}  // namespace treadle::test
