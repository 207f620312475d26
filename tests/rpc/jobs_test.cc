#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/fixture.h"
#include "treadle/v1/dead_letter_service.grpc.pb.h"
#include "treadle/v1/job_service.grpc.pb.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Jobs : public RpcTest {
 protected:
  void Die(const std::string& queue, const std::string& type, const std::string& error_type) {
    v1::TaskSpec spec = Spec(queue, "to whom");
    spec.set_type(type);
    spec.set_max_attempts(1);
    Submit(spec);
    Fail(queue, error_type);
  }
  grpc::Status Start(const v1::JobSpec& spec, v1::Job* job) {
    Context context;
    v1::StartJobRequest request;
    *request.mutable_spec() = spec;
    v1::StartJobResponse response;
    const grpc::Status status = jobs->StartJob(&context, request, &response);
    *job = response.job();
    return status;
  }
  v1::Job Start(const v1::JobSpec& spec) {
    v1::Job job;
    const grpc::Status status = Start(spec, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  v1::Job Get(const std::string& id) {
    Context context;
    v1::GetJobRequest request;
    request.set_job_id(id);
    v1::GetJobResponse response;
    EXPECT_TRUE(jobs->GetJob(&context, request, &response).ok());
    return response.job();
  }
  v1::Job Ended(const v1::Job& job) {
    Eventually([&] { return Get(job.job_id()).state() != v1::JOB_STATE_RUNNING; });
    return Get(job.job_id());
  }
  v1::QueueStats StatsOf(const std::string& name) { return GetQueue(name).stats(); }
  static v1::JobSpec RedriveOf(const std::string& queue) {
    v1::JobSpec spec;
    spec.mutable_redrive_dead_letters()->mutable_letters()->set_queue(queue);
    return spec;
  }

  std::unique_ptr<v1::JobService::Stub> jobs = v1::JobService::NewStub(channel);
  std::unique_ptr<v1::DeadLetterService::Stub> letters = v1::DeadLetterService::NewStub(channel);
};

TEST_F(Jobs, RedriveWhatMatches) {
  for (int i = 0; i < 3; ++i) Die("mail", "send", "Refused");
  Die("mail", "send", "Oops");
  Die("mail", "post", "Refused");
  Context context;
  v1::ListDeadLetterGroupsResponse groups;
  ASSERT_TRUE(letters->ListDeadLetterGroups(&context, {}, &groups).ok());
  ASSERT_EQ(groups.groups(0).count(), 3);

  v1::JobSpec spec = RedriveOf("mail");
  spec.mutable_redrive_dead_letters()->mutable_letters()->set_group(groups.groups(0).group());
  spec.mutable_redrive_dead_letters()->set_max_attempts(7);
  spec.set_reason("the server is up again");
  spec.set_dry_run(true);
  v1::Job job = Ended(Start(spec));
  EXPECT_EQ(job.done(), 3);
  EXPECT_EQ(StatsOf("mail").dead_letters(), 5) << "a dry run changes nothing";

  spec.set_dry_run(false);
  job = Start(spec);
  EXPECT_EQ(job.spec().SerializeAsString(), spec.SerializeAsString());
  EXPECT_EQ(job.total(), 5);
  job = Ended(job);
  EXPECT_EQ(job.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(job.done(), 3);
  EXPECT_EQ(job.looked_at(), 5);
  EXPECT_EQ(job.refused(), 0);
  EXPECT_GE(job.ended_at_ms(), job.started_at_ms());
  EXPECT_EQ(StatsOf("mail").dead_letters(), 2);
  EXPECT_EQ(StatsOf("mail").queued(), 3);
  const v1::LeasedTask task = Lease("mail").tasks(0);
  EXPECT_EQ(task.payload(), "to whom");
  EXPECT_EQ(task.max_attempts(), 7);
}

TEST_F(Jobs, DeleteWhatMatches) {
  Die("mail", "send", "Oops");
  Die("mail", "post", "Oops");
  v1::JobSpec spec;
  spec.mutable_delete_dead_letters()->mutable_letters()->set_queue("mail");
  spec.mutable_delete_dead_letters()->mutable_letters()->set_type("post");
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(StatsOf("mail").dead_letters(), 1);
  EXPECT_EQ(StatsOf("mail").queued(), 0);
}

TEST_F(Jobs, WhatIsRefusedSaysWhyAndStays) {
  Die("mail", "send", "Oops");
  Context context;
  v1::CreateQueueRequest create;
  create.mutable_config()->set_name("tiny");
  create.mutable_config()->set_max_bytes(1);
  v1::CreateQueueResponse created;
  ASSERT_TRUE(queues->CreateQueue(&context, create, &created).ok());
  v1::JobSpec spec = RedriveOf("mail");
  spec.mutable_redrive_dead_letters()->set_queue("tiny");
  const v1::Job job = Ended(Start(spec));
  EXPECT_EQ(job.done(), 0);
  EXPECT_EQ(job.refused(), 1);
  ASSERT_EQ(job.refusals_size(), 1);
  EXPECT_EQ(job.refusals(0).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(StatsOf("mail").dead_letters(), 1);
}

TEST_F(Jobs, WaitForRoomAndAreCancelled) {
  Die("mail", "send", "Oops");
  Context context;
  v1::UpdateQueueRequest close;
  close.set_name("mail");
  close.set_closed(true);
  v1::UpdateQueueResponse closed;
  ASSERT_TRUE(queues->UpdateQueue(&context, close, &closed).ok());
  const v1::Job job = Start(RedriveOf("mail"));
  Eventually([&] { return !Get(job.job_id()).waits_for().empty(); });
  EXPECT_THAT(Get(job.job_id()).waits_for(), HasSubstr("closed"));
  Context again;
  v1::CancelJobRequest cancel;
  cancel.set_job_id(job.job_id());
  v1::CancelJobResponse cancelled;
  ASSERT_TRUE(jobs->CancelJob(&again, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.job().state(), v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(cancelled.job().waits_for(), IsEmpty());
  EXPECT_EQ(StatsOf("mail").dead_letters(), 1);
}

TEST_F(Jobs, CancelTasksThatMatch) {
  const std::string id = Submit(Spec("mail")).task_id();
  Submit(Spec("other"));
  v1::TaskSpec later = Spec("mail");
  later.set_delay_ms(3'600'000);
  Submit(later);
  v1::JobSpec spec;
  spec.mutable_cancel_tasks()->mutable_tasks()->set_queue("mail");
  spec.mutable_cancel_tasks()->mutable_tasks()->add_states(v1::TASK_STATE_QUEUED);
  spec.set_reason("not wanted any more");
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(StatsOf("mail").queued(), 0);
  EXPECT_EQ(StatsOf("mail").scheduled(), 1);
  EXPECT_EQ(StatsOf("other").queued(), 1);
  const v1::Outcome outcome = Await(id).outcome();
  EXPECT_EQ(outcome.state(), v1::TASK_STATE_CANCELLED);
  EXPECT_THAT(outcome.error().message(), HasSubstr("not wanted any more"));
}

TEST_F(Jobs, ADeadLetterSelectionTakesAFilter) {
  const auto die = [this](const std::string& tenant, const std::string& error_type) {
    v1::TaskSpec spec = Spec("mail", "to whom");
    spec.set_max_attempts(1);
    (*spec.mutable_headers())["tenant"] = tenant;
    const std::string id = Submit(spec).task_id();
    Fail("mail", error_type);
    return id;
  };
  die("acme", "Refused");
  die("acme", "Oops");
  const std::string stays = die("other", "Oops");
  v1::JobSpec spec;
  v1::DeadLetterSelection& selection = *spec.mutable_delete_dead_letters()->mutable_letters();
  selection.set_queue("mail");
  selection.set_filter("error_type:Refused age<1h");
  v1::Job job = Ended(Start(spec));
  EXPECT_EQ(job.spec().SerializeAsString(), spec.SerializeAsString());
  EXPECT_EQ(job.done(), 1);
  EXPECT_EQ(job.looked_at(), 3);

  spec = RedriveOf("mail");
  spec.mutable_redrive_dead_letters()->mutable_letters()->set_filter("header.tenant:acme");
  spec.set_dry_run(true);
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  spec.set_dry_run(false);
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(Lease("mail").tasks(0).headers().at("tenant"), "acme");
  EXPECT_EQ(StatsOf("mail").dead_letters(), 1);
  spec.mutable_redrive_dead_letters()->mutable_letters()->set_filter("id:" + stays);
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(StatsOf("mail").dead_letters(), 0);
}

TEST_F(Jobs, ATaskSelectionTakesAFilter) {
  const auto submit = [this](const std::string& queue, const std::string& tenant,
                             int max_attempts) {
    v1::TaskSpec spec = Spec(queue);
    spec.set_max_attempts(max_attempts);
    if (!tenant.empty()) (*spec.mutable_headers())["tenant"] = tenant;
    return Submit(spec).task_id();
  };
  const std::string low = submit("mail", "acme", 1);
  submit("mail", "acme", 5);
  submit("mail", "other", 5);
  submit("news", "acme", 5);
  submit("news", "", 5);
  v1::JobSpec spec;
  v1::TaskSelection& selection = *spec.mutable_cancel_tasks()->mutable_tasks();
  selection.set_filter("queue:mail max_attempts<3 age<1h");
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(Await(low).outcome().state(), v1::TASK_STATE_CANCELLED);

  selection.set_filter("header.tenant:acme max_attempts:5");
  spec.set_dry_run(true);
  EXPECT_EQ(Ended(Start(spec)).done(), 2);
  spec.set_dry_run(false);
  selection.set_queue("mail");
  v1::Job job = Ended(Start(spec));
  EXPECT_EQ(job.done(), 1);
  EXPECT_EQ(job.looked_at(), 4) << "of all queues: it is about what there is";
  EXPECT_EQ(StatsOf("mail").queued(), 1);
  EXPECT_EQ(StatsOf("news").queued(), 2);
  selection.clear_queue();
  selection.set_filter("-header.tenant:*");
  EXPECT_EQ(Ended(Start(spec)).done(), 1);
  EXPECT_EQ(StatsOf("news").queued(), 1);
}

TEST_F(Jobs, AFilterThatCannotBeIsRefusedWithItsPlace) {
  v1::Job job;
  v1::JobSpec cancel;
  v1::TaskSelection& tasks_of = *cancel.mutable_cancel_tasks()->mutable_tasks();
  const auto refused = [&](const std::string& filter) {
    tasks_of.set_filter(filter);
    const grpc::Status status = Start(cancel, &job);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << filter;
    return status.error_message();
  };
  EXPECT_THAT(refused("age>5m queu:mail"),
              HasSubstr("spec.cancel_tasks.tasks.filter: character 8: unknown field 'queu'"));
  EXPECT_THAT(refused("sort:age"), HasSubstr("leave the word sort out"));
  for (const char* filter : {"state:failed", "state:finished", "finished>1h", "dead:yes"}) {
    EXPECT_THAT(refused(filter), HasSubstr("no unfinished task can match it"));
  }
  tasks_of.add_states(v1::TASK_STATE_RUNNING);
  EXPECT_THAT(refused("state:queued"), HasSubstr("no task in these states can match it"));
  EXPECT_THAT(refused("due<5m"), HasSubstr("no task in these states can match it"));

  Die("mail", "send", "Oops");
  v1::JobSpec redrive = RedriveOf("mail");
  redrive.mutable_redrive_dead_letters()->mutable_letters()->set_filter("state:queued");
  EXPECT_THAT(Start(redrive, &job).error_message(),
              HasSubstr("spec.redrive_dead_letters.letters.filter: no dead letter can match it"));
}

TEST_F(Jobs, AreListedTheNewestFirst) {
  Die("mail", "send", "Oops");
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    v1::JobSpec spec = RedriveOf("mail");
    spec.set_dry_run(true);
    ids.push_back(Ended(Start(spec)).job_id());
  }
  Context context;
  v1::ListJobsRequest request;
  request.set_page_size(2);
  v1::ListJobsResponse page;
  ASSERT_TRUE(jobs->ListJobs(&context, request, &page).ok());
  ASSERT_EQ(page.jobs_size(), 2);
  EXPECT_EQ(page.jobs(0).job_id(), ids[2]);
  EXPECT_EQ(page.jobs(1).job_id(), ids[1]);
  request.set_page_token(page.next_page_token());
  Context second;
  ASSERT_TRUE(jobs->ListJobs(&second, request, &page).ok());
  ASSERT_EQ(page.jobs_size(), 1);
  EXPECT_EQ(page.jobs(0).job_id(), ids[0]);
  request.clear_page_token();
  request.set_running_only(true);
  Context third;
  ASSERT_TRUE(jobs->ListJobs(&third, request, &page).ok());
  EXPECT_THAT(page.jobs(), IsEmpty());
}

TEST_F(Jobs, WhatCannotBeAskedIsRefused) {
  v1::Job job;
  const auto refused = [&](const v1::JobSpec& spec) { return Start(spec, &job).error_message(); };
  EXPECT_THAT(refused({}), HasSubstr("spec.action: absent"));
  v1::JobSpec spec = RedriveOf("");
  EXPECT_THAT(refused(spec), HasSubstr("spec.redrive_dead_letters.letters.queue: empty"));
  spec = RedriveOf("nowhere");
  EXPECT_EQ(Start(spec, &job).error_code(), grpc::NOT_FOUND);
  spec.mutable_redrive_dead_letters()->mutable_letters()->set_group("3f");
  EXPECT_THAT(refused(spec), HasSubstr("group"));
  spec = RedriveOf("nowhere");
  spec.set_tasks_per_second(-1);
  EXPECT_THAT(refused(spec), HasSubstr("spec.tasks_per_second"));
  spec = {};
  spec.mutable_cancel_tasks()->mutable_tasks()->add_states(v1::TASK_STATE_FAILED);
  EXPECT_THAT(refused(spec), HasSubstr("no state that can be cancelled"));
  Context context;
  v1::GetJobRequest request;
  request.set_job_id("no id");
  v1::GetJobResponse response;
  EXPECT_EQ(jobs->GetJob(&context, request, &response).error_code(), grpc::INVALID_ARGUMENT);
  request.set_job_id("zz");
  Context again;
  EXPECT_EQ(jobs->GetJob(&again, request, &response).error_code(), grpc::NOT_FOUND);
}

class Pauses : public RpcTest {};

TEST_F(Pauses, HaveAReasonAndAnEnd) {
  const std::string id = Submit(Spec("mail")).task_id();
  Context context;
  v1::PauseQueueRequest pause;
  pause.set_name("mail");
  pause.set_reason("the mail server is down");
  pause.set_resume_after_ms(3'600'000);
  v1::PauseQueueResponse paused;
  ASSERT_TRUE(queues->PauseQueue(&context, pause, &paused).ok());
  EXPECT_EQ(paused.queue().pause_reason(), "the mail server is down");
  EXPECT_EQ(paused.queue().resume_at_ms(), paused.queue().paused_at_ms() + 3'600'000);
  Context explain;
  v1::ExplainTaskRequest request;
  request.set_task_id(id);
  v1::ExplainTaskResponse why;
  ASSERT_TRUE(tasks->ExplainTask(&explain, request, &why).ok());
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_PAUSED);
  EXPECT_THAT(why.reasons(0).text(), HasSubstr("the mail server is down"));
  EXPECT_EQ(why.reasons(0).until_at_ms(), paused.queue().resume_at_ms());

  pause.set_resume_after_ms(1);
  Context again;
  ASSERT_TRUE(queues->PauseQueue(&again, pause, &paused).ok());
  Eventually([&] { return !GetQueue("mail").paused(); });
  pause.set_reason(std::string(256, 'x'));
  Context too_long;
  EXPECT_EQ(queues->PauseQueue(&too_long, pause, &paused).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(Pauses, ACircuitBreakerOpensAndSaysWhy) {
  Context context;
  v1::CreateQueueRequest create;
  create.mutable_config()->set_name("mail");
  create.mutable_config()->mutable_circuit_breaker()->set_failure_percent(100);
  create.mutable_config()->mutable_circuit_breaker()->set_min_attempts(2);
  v1::CreateQueueResponse created;
  ASSERT_TRUE(queues->CreateQueue(&context, create, &created).ok());
  EXPECT_EQ(created.queue().config().circuit_breaker().window_ms(), 60'000);
  for (int i = 0; i < 2; ++i) {
    Submit(Spec("mail"));
    Fail("mail", "Refused", "no route to host");
  }
  const v1::Queue open = GetQueue("mail");
  EXPECT_TRUE(open.paused());
  EXPECT_TRUE(open.circuit_open());
  EXPECT_THAT(open.pause_reason(), HasSubstr("2 of 2 attempts failed"));
  Context explain;
  v1::ExplainSubmitRequest request;
  *request.mutable_task() = Spec("mail");
  v1::ExplainSubmitResponse why;
  ASSERT_TRUE(tasks->ExplainSubmit(&explain, request, &why).ok());
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_CIRCUIT_OPEN);
  EXPECT_THAT(why.reasons(0).text(), HasSubstr("no route to host"));
  EXPECT_THAT(why.reasons(0).advice(), HasSubstr("treadle queue resume"));

  Context update;
  v1::UpdateQueueRequest change;
  change.set_name("mail");
  change.set_if_version(open.version());
  change.mutable_circuit_breaker()->set_failure_percent(0);
  v1::UpdateQueueResponse changed;
  ASSERT_TRUE(queues->UpdateQueue(&update, change, &changed).ok());
  EXPECT_FALSE(changed.queue().config().has_circuit_breaker());
  EXPECT_EQ(changed.queue().version(), open.version() + 1);
  Context stale;
  EXPECT_EQ(queues->UpdateQueue(&stale, change, &changed).error_code(), grpc::ABORTED);
  change.clear_if_version();
  change.mutable_circuit_breaker()->set_failure_percent(101);
  Context bad;
  EXPECT_EQ(queues->UpdateQueue(&bad, change, &changed).error_code(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace treadle::test
