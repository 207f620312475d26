#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

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

TEST_F(UnaryCalls, ARunOfTasksIsSubmittedByItsPayloads) {
  v1::SubmitRunRequest request;
  *request.mutable_common() = Spec("mail");
  request.mutable_common()->set_content_type("text/plain");
  for (const char* payload : {"one", "", "three"}) request.add_payloads(payload);
  const auto submit = [&] {
    Context context;
    v1::SubmitRunResponse response;
    const grpc::Status status = tasks->SubmitRun(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  };
  const v1::SubmitRunResponse submitted = submit();
  ASSERT_EQ(submitted.results_size(), 3);
  const v1::LeaseResponse leased = Lease("mail", 3);
  ASSERT_EQ(leased.tasks_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(submitted.results(i).status().code(), 0);
    EXPECT_EQ(leased.tasks(i).task_id(), submitted.results(i).task_id());
    EXPECT_EQ(leased.tasks(i).payload(), request.payloads(i));
    EXPECT_EQ(leased.tasks(i).content_type(), "text/plain");
  }

  for (const char* key : {"a", "b", "c"}) request.add_request_keys(key);
  const v1::SubmitRunResponse first = submit();
  const v1::SubmitRunResponse again = submit();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(first.results(i).existing());
    EXPECT_TRUE(again.results(i).existing());
    EXPECT_EQ(again.results(i).task_id(), first.results(i).task_id());
  }
}

TEST_F(UnaryCalls, AFailedTaskIsTriedAgainAndThenKeptAsFailed) {
  v1::TaskSpec spec = Spec("mail");
  spec.set_max_attempts(2);
  spec.mutable_retry()->set_initial_delay_ms(1);
  spec.mutable_retry()->set_jitter(0);
  const std::string id = Submit(spec).task_id();
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const v1::LeaseResponse leased = Lease("mail");
    ASSERT_EQ(leased.tasks_size(), 1);
    EXPECT_EQ(leased.tasks(0).attempt(), attempt);
    v1::AttemptReport report = Succeeded(leased.tasks(0), "");
    report.set_end(v1::ATTEMPT_END_FAILED);
    report.mutable_error()->set_type("Oops");
    report.mutable_error()->set_message(std::string(100'000, 'm'));
    EXPECT_EQ(Complete(report).status().code(), 0);
  }
  const v1::Outcome outcome = Await(id).outcome();
  EXPECT_EQ(outcome.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(outcome.error().type(), "Oops");
  EXPECT_EQ(outcome.error().worker(), "ten-liner");
  EXPECT_EQ(outcome.error().attempt(), 2);
  EXPECT_LE(outcome.error().message().size(), 65'536u);
  EXPECT_THAT(outcome.error().message(), HasSubstr("m [...] m"));
}

TEST_F(UnaryCalls, AnErrorSaysWhatAProgramCanRead) {
  v1::TaskSpec spec = Spec("mail");
  spec.set_max_attempts(2);
  spec.mutable_retry()->set_initial_delay_ms(600'000);
  const std::string id = Submit(spec).task_id();
  v1::AttemptReport report;
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const v1::LeaseResponse leased = Lease("mail");  // the second at once, as the first asked
    ASSERT_EQ(leased.tasks_size(), 1);
    report = Succeeded(leased.tasks(0), "");
    report.set_end(v1::ATTEMPT_END_FAILED);
    report.mutable_error()->set_exit_code(attempt);
    report.mutable_error()->set_signal(9);
    report.mutable_error()->set_retry_after_ms(0);
    report.mutable_error()->set_details(absl::StrCat("attempt ", attempt, std::string(1, '\0')));
    report.mutable_error()->set_details_type("text/plain");
    EXPECT_EQ(Complete(report).status().code(), 0);
  }
  const v1::TaskError error = Await(id).outcome().error();
  EXPECT_EQ(error.exit_code(), 2);
  EXPECT_EQ(error.signal(), 9);
  EXPECT_TRUE(error.has_retry_after_ms());
  EXPECT_EQ(error.details(), std::string("attempt 2\0", 10));
  EXPECT_EQ(error.details_type(), "text/plain");
  Context context;
  v1::GetTaskRequest get;
  get.set_task_id(id);
  v1::GetTaskResponse got;
  ASSERT_TRUE(tasks->GetTask(&context, get, &got).ok());
  EXPECT_EQ(got.task().last_error().exit_code(), 2);
  EXPECT_EQ(got.task().last_error().details(), "") << "as a result, only in an outcome";
}

TEST_F(UnaryCalls, AnErrorThatSaysNothingOfThemHasNone) {
  v1::TaskSpec spec = Spec("mail");
  spec.set_max_attempts(1);
  const std::string id = Submit(spec).task_id();
  v1::AttemptReport report = Succeeded(Lease("mail").tasks(0), "");
  report.set_end(v1::ATTEMPT_END_FAILED);
  report.mutable_error()->set_type("Oops");
  EXPECT_EQ(Complete(report).status().code(), 0);
  const v1::TaskError error = Await(id).outcome().error();
  EXPECT_FALSE(error.has_exit_code());
  EXPECT_FALSE(error.has_signal());
  EXPECT_FALSE(error.has_retry_after_ms());
  EXPECT_EQ(error.details_type(), "");
}

TEST_F(UnaryCalls, AnErrorsFieldsHaveBounds) {
  Submit(Spec("mail"));
  const v1::AttemptReport report = Succeeded(Lease("mail").tasks(0), "");
  const auto refused = [&](const char* field, const std::function<void(v1::TaskError&)>& change) {
    v1::AttemptReport bad = report;
    bad.set_end(v1::ATTEMPT_END_FAILED);
    change(*bad.mutable_error());
    const v1::ItemStatus status = Complete(bad).status();
    EXPECT_EQ(status.code(), grpc::INVALID_ARGUMENT) << field;
    EXPECT_THAT(status.message(), HasSubstr(field));
  };
  refused("retry_after_ms", [](v1::TaskError& error) { error.set_retry_after_ms(-1); });
  refused("retry_after_ms",
          [](v1::TaskError& error) { error.set_retry_after_ms(limits::kRetryDelayMsMax + 1); });
  refused("details_type", [](v1::TaskError& error) { error.set_details_type("a\nb"); });
  refused("details", [](v1::TaskError& error) {
    error.set_message("m");
    error.set_details(std::string(limits::kPayloadBytesMax, 'd'));
  });
}

TEST_F(UnaryCalls, LeaseWaitsForATaskAndTheClientMayGiveUp) {
  EXPECT_EQ(Lease("mail", 1, 0).tasks_size(), 0);
  EXPECT_EQ(Lease("mail", 1, 50).tasks_size(), 0);
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::LeaseRequest request;
    request.add_queues("mail");
    request.set_wait_ms(600'000);
    v1::LeaseResponse response;
    EXPECT_EQ(workers->Lease(&context, request, &response).error_code(), grpc::DEADLINE_EXCEEDED);
  }
  // Nobody is there any more to whom the task could be lost.
  v1::LeaseResponse leased;
  std::thread waiting([&] { leased = Lease("mail"); });
  const std::string id = Submit(Spec("mail")).task_id();
  waiting.join();
  // The broker may hear of that one's end only now, and takes the task back then.
  Eventually([&] {
    if (leased.tasks_size() == 0) leased = Lease("mail");
    return leased.tasks_size() == 1;
  });
  EXPECT_EQ(leased.tasks(0).task_id(), id);
  EXPECT_EQ(leased.tasks(0).attempt(), 1);
}

TEST_F(UnaryCalls, ASubmitterThatLeavesFreesItsPlace) {
  v1::CreateQueueRequest create;
  create.mutable_config()->set_name("small");
  create.mutable_config()->set_max_tasks(1);
  Context create_context;
  v1::CreateQueueResponse created;
  ASSERT_TRUE(queues->CreateQueue(&create_context, create, &created).ok());
  Submit(Spec("small", "first"));
  const auto waiting = [this] { return GetQueue("small").stats().waiting_submitters(); };
  Context context;
  v1::SubmitRequest request;
  *request.add_tasks() = Spec("small", "second");
  request.mutable_tasks(0)->set_wait_if_full_ms(600'000);
  v1::SubmitResponse response;
  std::atomic<bool> over = false;
  tasks->async()->Submit(&context, &request, &response, [&](const grpc::Status&) { over = true; });
  Eventually([&] { return waiting() == 1; });
  context.TryCancel();
  Eventually([&] { return over && waiting() == 0; });
  EXPECT_EQ(Lease("small").tasks(0).payload(), "first");
  EXPECT_EQ(Lease("small", 1, 0).tasks_size(), 0);
}

TEST_F(UnaryCalls, QueuesAreManaged) {
  const auto call = [](const grpc::Status& status) {
    EXPECT_TRUE(status.ok()) << status.error_message();
  };
  {
    Context context;
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name("lifo");
    request.mutable_config()->set_discipline(v1::DISCIPLINE_LIFO);
    v1::CreateQueueResponse response;
    call(queues->CreateQueue(&context, request, &response));
    EXPECT_EQ(response.queue().config().max_tasks(), 1'000'000);
    EXPECT_EQ(response.queue().config().discipline(), v1::DISCIPLINE_LIFO);
    Context again;
    call(queues->CreateQueue(&again, request, &response));
  }
  {
    Context context;
    v1::UpdateQueueRequest request;
    request.set_name("lifo");
    request.set_max_tasks(7);
    v1::UpdateQueueResponse response;
    call(queues->UpdateQueue(&context, request, &response));
    EXPECT_EQ(response.queue().config().max_tasks(), 7);
  }
  {
    Context context;
    v1::PauseQueueRequest request;
    request.set_name("lifo");
    v1::PauseQueueResponse response;
    call(queues->PauseQueue(&context, request, &response));
    EXPECT_TRUE(response.queue().paused());
  }
  const std::string id = Submit(Spec("lifo")).task_id();
  EXPECT_EQ(Lease("lifo", 1, 0).tasks_size(), 0);
  {
    Context context;
    v1::DeleteQueueRequest request;
    request.set_name("lifo");
    v1::DeleteQueueResponse response;
    EXPECT_EQ(queues->DeleteQueue(&context, request, &response).error_code(),
              grpc::FAILED_PRECONDITION);
  }
  {
    Context context;
    v1::PurgeQueueRequest request;
    request.set_name("lifo");
    v1::PurgeQueueResponse response;
    call(queues->PurgeQueue(&context, request, &response));
    EXPECT_EQ(response.cancelled_tasks(), 1);
    EXPECT_EQ(Await(id).outcome().state(), v1::TASK_STATE_CANCELLED);
  }
  {
    Context context;
    v1::ResumeQueueRequest request;
    request.set_name("lifo");
    v1::ResumeQueueResponse response;
    call(queues->ResumeQueue(&context, request, &response));
    EXPECT_FALSE(response.queue().paused());
  }
  {
    Context context;
    v1::DeleteQueueRequest request;
    request.set_name("lifo");
    v1::DeleteQueueResponse response;
    call(queues->DeleteQueue(&context, request, &response));
  }
  Context context;
  v1::ListQueuesResponse response;
  call(queues->ListQueues(&context, {}, &response));
  EXPECT_EQ(response.queues_size(), 0);
}

TEST_F(UnaryCalls, ListsComeInPages) {
  std::vector<std::string> submitted;
  for (int i = 0; i < 7; ++i) submitted.push_back(Submit(Spec("mail")).task_id());
  Submit(Spec("other"));
  const v1::LeaseResponse leased = Lease("mail", 2);
  for (const v1::LeasedTask& task : leased.tasks()) Complete(Succeeded(task, "done"));

  std::vector<std::string> listed;
  v1::ListTasksRequest request;
  request.set_queue("mail");
  request.set_include_finished(true);
  request.set_page_size(3);
  do {
    Context context;
    v1::ListTasksResponse response;
    ASSERT_TRUE(tasks->ListTasks(&context, request, &response).ok());
    EXPECT_LE(response.tasks_size(), 3);
    for (const v1::Task& task : response.tasks()) listed.push_back(task.task_id());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  // Unfinished ones first, oldest submit first; then those that have ended.
  std::rotate(submitted.begin(), submitted.begin() + 2, submitted.end());
  EXPECT_EQ(listed, submitted);

  v1::ListQueuesRequest queues_request;
  queues_request.set_page_size(1);
  std::vector<std::string> names;
  do {
    Context context;
    v1::ListQueuesResponse response;
    ASSERT_TRUE(queues->ListQueues(&context, queues_request, &response).ok());
    for (const v1::Queue& queue : response.queues()) names.push_back(queue.config().name());
    queues_request.set_page_token(response.next_page_token());
  } while (!queues_request.page_token().empty());
  EXPECT_THAT(names, ::testing::ElementsAre("mail", "other"));

  // A token is for the question that it came with.
  Context context;
  v1::ListTasksResponse response;
  request.set_page_token("");
  request.set_page_size(1);
  ASSERT_TRUE(tasks->ListTasks(&context, request, &response).ok());
  request.set_queue("other");
  request.set_page_token(response.next_page_token());
  Context other;
  EXPECT_EQ(tasks->ListTasks(&other, request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(UnaryCalls, ExtendMovesALeaseAndTellsOfAStop) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::LeasedTask task = Lease("mail").tasks(0);
  const auto extend = [&] {
    Context context;
    v1::ExtendRequest request;
    v1::LeaseExtension& lease = *request.add_leases();
    lease.set_token(task.token());
    lease.mutable_progress()->set_fraction(0.25);
    v1::ExtendResponse response;
    EXPECT_TRUE(workers->Extend(&context, request, &response).ok());
    return response.results(0);
  };
  const v1::ExtendResult first = extend();
  EXPECT_EQ(first.status().code(), 0) << first.status().message();
  EXPECT_EQ(first.stop_reason(), v1::STOP_REASON_UNSPECIFIED);
  Context context;
  v1::CancelTaskRequest cancel;
  cancel.set_task_id(id);
  cancel.set_reason("sent twice");
  v1::CancelTaskResponse cancelled;
  ASSERT_TRUE(tasks->CancelTask(&context, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.task().progress().fraction(), 0.25);
  EXPECT_EQ(cancelled.task().cancel_reason(), "sent twice");
  EXPECT_EQ(extend().stop_reason(), v1::STOP_REASON_CANCELLED);
  v1::AttemptReport report = Succeeded(task, "");
  report.set_end(v1::ATTEMPT_END_STOPPED);
  Complete(report);
  EXPECT_EQ(extend().status().code(), grpc::ABORTED);
  const v1::Outcome outcome = Await(id).outcome();
  EXPECT_EQ(outcome.state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(outcome.error().message(), "the task was cancelled: sent twice");
}

TEST_F(UnaryCalls, APayloadCanBeLookedAtUntilItsTaskHasEnded) {
  v1::SubmitRunRequest request;
  *request.mutable_common() = Spec("q");
  request.mutable_common()->set_content_type("text/plain");
  (*request.mutable_common()->mutable_headers())["trace"] = "7";
  for (const char* payload : {"first", "", "third"}) request.add_payloads(payload);
  Context context;
  v1::SubmitRunResponse submitted;
  ASSERT_TRUE(tasks->SubmitRun(&context, request, &submitted).ok());
  const std::string single = Submit(Spec("q", "alone")).task_id();

  v1::GetPayloadResponse response;
  const auto ask = [&](const std::string& id) {
    Context asking;
    v1::GetPayloadRequest about;
    about.set_task_id(id);
    return tasks->GetPayload(&asking, about, &response);
  };
  ASSERT_TRUE(ask(submitted.results(2).task_id()).ok());
  EXPECT_EQ(response.payload(), "third");
  EXPECT_EQ(response.content_type(), "text/plain");
  EXPECT_EQ(response.headers().at("trace"), "7");
  ASSERT_TRUE(ask(submitted.results(1).task_id()).ok());
  EXPECT_EQ(response.payload(), "");
  ASSERT_TRUE(ask(single).ok());
  EXPECT_EQ(response.payload(), "alone");

  for (int i = 0; i < 4; ++i) Complete(Succeeded(Lease("q").tasks(0), "done"));
  const grpc::Status ended = ask(single);
  EXPECT_EQ(ended.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_THAT(ended.error_message(), HasSubstr("has ended"));
  EXPECT_EQ(ask("zz-zz").error_code(), grpc::NOT_FOUND);
}

TEST_F(UnaryCalls, TheTraceOfASubmitIsForTasksWithoutOneOfTheirOwn) {
  const std::string given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto submit = [&](const std::string& traceparent) {
    Context context;
    context.AddMetadata("traceparent", traceparent);
    context.AddMetadata("tracestate", "v=1");
    v1::SubmitRequest request;
    *request.add_tasks() = Spec("traced");
    *request.add_tasks() = Spec("traced");
    (*request.mutable_tasks(1)->mutable_headers())["traceparent"] = "own";
    v1::SubmitResponse response;
    EXPECT_TRUE(tasks->Submit(&context, request, &response).ok());
    return Lease("traced", 2);
  };
  const v1::LeaseResponse leased = submit(given);
  ASSERT_EQ(leased.tasks_size(), 2);
  EXPECT_EQ(leased.tasks(0).headers().at("traceparent"), given);
  EXPECT_EQ(leased.tasks(0).headers().at("tracestate"), "v=1");
  EXPECT_EQ(leased.tasks(1).headers().at("traceparent"), "own");
  EXPECT_FALSE(leased.tasks(1).headers().contains("tracestate"));
  const v1::LeaseResponse ignored = submit("00-1-2-01");
  ASSERT_EQ(ignored.tasks_size(), 2);
  EXPECT_TRUE(ignored.tasks(0).headers().empty());
}

TEST_F(UnaryCalls, AnAwaitThatIsAnsweredLeavesNoTimer) {
  const std::string task = Submit(Spec("q")).task_id();
  Complete(Succeeded(Lease("q").tasks(0), "done"));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Await(task, 3'600'000).finished());
  Eventually([&] { return server.edge().timers() <= 2; });  // watch of the disk, charts
  // One that is waited for in vain goes off.
  EXPECT_FALSE(Await(Submit(Spec("q")).task_id(), 50).finished());
  Eventually([&] { return server.edge().timers() <= 2; });  // watch of the disk, charts
}

// Its answer may have been lost: who reports again hears what was heard the first time.
TEST_F(UnaryCalls, AReportThatComesAgainIsAnsweredAsTheFirstTime) {
  v1::TaskSpec spec = Spec("mail");
  spec.set_result_ttl_ms(0);
  Submit(spec);
  const v1::AttemptReport report = Succeeded(Lease("mail").tasks(0), "42");
  EXPECT_EQ(Complete(report).status().code(), 0);
  EXPECT_EQ(Complete(report).status().code(), 0);
  v1::AttemptReport other = report;
  other.set_end(v1::ATTEMPT_END_RELEASED);
  EXPECT_EQ(Complete(other).status().code(), grpc::ABORTED);
  other.set_end(report.end());
  other.set_token(report.token() - 1);
  EXPECT_EQ(Complete(other).status().code(), grpc::ABORTED);
}

}  // namespace
}  // namespace treadle::test
