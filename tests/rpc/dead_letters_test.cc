#include <string>
#include <vector>

#include "tests/rpc/fixture.h"
#include "treadle/v1/dead_letter_service.grpc.pb.h"

namespace treadle::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeadLetters : public RpcTest {
 protected:
  static v1::TaskSpec Once(const std::string& queue, const std::string& payload) {
    v1::TaskSpec spec = Spec(queue, payload);
    spec.set_max_attempts(1);
    return spec;
  }
  // Submits one that fails at once, and returns its id.
  std::string Die(const std::string& queue, const std::string& error_type,
                  const std::string& message, const std::string& payload = "") {
    const std::string id = Submit(Once(queue, payload)).task_id();
    EXPECT_EQ(Fail(queue, error_type, message).task_id(), id);
    return id;
  }

  grpc::Status List(const v1::ListDeadLettersRequest& request,
                    v1::ListDeadLettersResponse* response) {
    Context context;
    return letters->ListDeadLetters(&context, request, response);
  }
  std::vector<std::string> IdsOf(const std::string& queue, const std::string& group = "",
                                 const std::string& type = "") {
    v1::ListDeadLettersRequest request;
    request.set_queue(queue);
    request.set_group(group);
    request.set_type(type);
    v1::ListDeadLettersResponse response;
    EXPECT_TRUE(List(request, &response).ok());
    std::vector<std::string> ids;
    for (const v1::DeadLetter& letter : response.dead_letters()) {
      ids.push_back(letter.task().task_id());
    }
    return ids;
  }
  std::vector<v1::DeadLetterGroup> Groups(const std::string& queue = "") {
    Context context;
    v1::ListDeadLetterGroupsRequest request;
    request.set_queue(queue);
    v1::ListDeadLetterGroupsResponse response;
    EXPECT_TRUE(letters->ListDeadLetterGroups(&context, request, &response).ok());
    return {response.groups().begin(), response.groups().end()};
  }
  grpc::Status Get(const std::string& id, v1::GetDeadLetterResponse* response) {
    Context context;
    v1::GetDeadLetterRequest request;
    request.set_task_id(id);
    return letters->GetDeadLetter(&context, request, response);
  }
  v1::RedriveDeadLettersResponse Redrive(const std::vector<std::string>& ids,
                                         const std::string& queue = "") {
    Context context;
    v1::RedriveDeadLettersRequest request;
    request.mutable_task_ids()->Assign(ids.begin(), ids.end());
    request.set_queue(queue);
    request.set_max_attempts(5);
    v1::RedriveDeadLettersResponse response;
    const grpc::Status status = letters->RedriveDeadLetters(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.results_size(), static_cast<int>(ids.size()));
    return response;
  }
  v1::Task GetTask(const std::string& id) {
    Context context;
    v1::GetTaskRequest request;
    request.set_task_id(id);
    v1::GetTaskResponse response;
    EXPECT_TRUE(tasks->GetTask(&context, request, &response).ok());
    return response.task();
  }
  v1::Queue Update(const v1::UpdateQueueRequest& request) {
    Context context;
    v1::UpdateQueueResponse response;
    EXPECT_TRUE(queues->UpdateQueue(&context, request, &response).ok());
    return response.queue();
  }

  std::unique_ptr<v1::DeadLetterService::Stub> letters = v1::DeadLetterService::NewStub(channel);
};

TEST_F(DeadLetters, AFailedTaskIsKeptWholeWithItsAttempts) {
  v1::TaskSpec spec = Spec("mail", "to whom");
  spec.set_max_attempts(2);
  spec.set_content_type("text/plain");
  (*spec.mutable_headers())["trace"] = "7";
  spec.mutable_retry()->set_initial_delay_ms(1);
  const std::string id = Submit(spec).task_id();
  Fail("mail", "Refused", "user 17 is unknown");
  v1::Task task = GetTask(id);
  ASSERT_EQ(task.failed_attempts_size(), 1);
  EXPECT_FALSE(task.dead_letter());
  EXPECT_EQ(task.last_error().message(), "user 17 is unknown");
  Fail("mail", "Refused", "user 18 is unknown");

  v1::GetDeadLetterResponse kept;
  ASSERT_TRUE(Get(id, &kept).ok());
  EXPECT_EQ(kept.payload(), "to whom");
  EXPECT_EQ(kept.content_type(), "text/plain");
  EXPECT_EQ(kept.headers().at("trace"), "7");
  EXPECT_GT(kept.dead_letter().bytes(), 200);
  const v1::Task& dead = kept.dead_letter().task();
  EXPECT_EQ(dead.task_id(), id);
  EXPECT_EQ(dead.queue(), "mail");
  EXPECT_EQ(dead.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(dead.worker(), "ten-liner");
  EXPECT_TRUE(dead.dead_letter());
  ASSERT_EQ(dead.failed_attempts_size(), 2);
  const v1::FailedAttempt& first = dead.failed_attempts(0);
  EXPECT_EQ(first.error().message(), "user 17 is unknown");
  EXPECT_EQ(first.error().worker(), "ten-liner");
  EXPECT_GE(first.runnable_at_ms(), dead.submitted_at_ms());
  EXPECT_GE(first.leased_at_ms(), first.runnable_at_ms());
  EXPECT_GE(first.ended_at_ms(), first.started_at_ms());
  EXPECT_EQ(dead.failed_attempts(1).error().attempt(), 2);

  task = GetTask(id);
  EXPECT_TRUE(task.dead_letter());
  EXPECT_EQ(task.failed_attempts_size(), 2);
  EXPECT_EQ(task.worker(), "ten-liner");
  EXPECT_GT(task.leased_at_ms(), 0);
}

TEST_F(DeadLetters, IsFoundByItsIdAlsoWhenItsOutcomeIsNotKept) {
  v1::TaskSpec spec = Once("mail", "x");
  spec.set_result_ttl_ms(0);
  const std::string id = Submit(spec).task_id();
  Fail("mail", "Oops", "no");
  const v1::Task task = GetTask(id);
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(task.last_error().type(), "Oops");
  EXPECT_TRUE(task.dead_letter());
}

TEST_F(DeadLetters, EachOfARunHasItsOwnPayload) {
  Context context;
  v1::SubmitRunRequest request;
  request.mutable_common()->set_queue("mail");
  request.mutable_common()->set_type("noop");
  request.mutable_common()->set_max_attempts(1);
  for (int i = 0; i < 20; ++i) request.add_payloads("payload " + std::to_string(i));
  v1::SubmitRunResponse submitted;
  ASSERT_TRUE(tasks->SubmitRun(&context, request, &submitted).ok());
  for (int i = 0; i < 20; ++i) {
    if (i % 3 == 0) {
      Fail("mail", "Oops", "no");
    } else {
      Complete(Succeeded(Lease("mail").tasks(0), ""));
    }
  }
  EXPECT_THAT(IdsOf("mail"), SizeIs(7));
  for (int i = 0; i < 20; i += 3) {
    v1::GetDeadLetterResponse kept;
    ASSERT_TRUE(Get(submitted.results(i).task_id(), &kept).ok());
    EXPECT_EQ(kept.payload(), "payload " + std::to_string(i));
  }
}

TEST_F(DeadLetters, WhatSaysTheSameIsOneGroup) {
  const std::string first = Die("mail", "Refused", "user 17 is unknown");
  const std::string second = Die("mail", "Refused", "user 18 is unknown");
  const std::string other = Die("mail", "Broken", "no ink");
  const std::string elsewhere = Die("news", "Refused", "user 19 is unknown");
  const std::vector<v1::DeadLetterGroup> groups = Groups();
  ASSERT_THAT(groups, SizeIs(3));
  EXPECT_EQ(groups[0].count(), 2);
  EXPECT_EQ(groups[0].queue(), "mail");
  EXPECT_EQ(groups[0].type(), "noop");
  EXPECT_EQ(groups[0].error_type(), "Refused");
  EXPECT_EQ(groups[0].error_message(), "user 18 is unknown");
  EXPECT_EQ(groups[0].last_task_id(), second);
  EXPECT_GE(groups[0].last_at_ms(), groups[0].first_at_ms());
  EXPECT_THAT(groups[0].group(), SizeIs(16));
  EXPECT_THAT(Groups("news"), SizeIs(1));
  EXPECT_EQ(Groups("news")[0].group(), groups[0].group());

  EXPECT_THAT(IdsOf("mail"), ElementsAre(first, second, other));
  EXPECT_THAT(IdsOf("mail", groups[0].group()), ElementsAre(first, second));
  EXPECT_THAT(IdsOf("news", groups[0].group()), ElementsAre(elsewhere));
  EXPECT_THAT(IdsOf("mail", "", "noop"), SizeIs(3));
  EXPECT_THAT(IdsOf("mail", "", "other"), IsEmpty());
  EXPECT_THAT(IdsOf("mail", "other"), IsEmpty());
}

TEST_F(DeadLetters, AListComesInPages) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(Die("mail", "Oops", "no"));
  v1::ListDeadLettersRequest request;
  request.set_queue("mail");
  request.set_page_size(2);
  std::vector<std::string> listed;
  do {
    v1::ListDeadLettersResponse page;
    ASSERT_TRUE(List(request, &page).ok());
    ASSERT_LE(page.dead_letters_size(), 2);
    for (const v1::DeadLetter& letter : page.dead_letters()) {
      listed.push_back(letter.task().task_id());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, ids);
}

TEST_F(DeadLetters, TheOldestGiveWayAndTheQueueCounts) {
  v1::UpdateQueueRequest update;
  Die("mail", "Oops", "the first");
  update.set_name("mail");
  update.mutable_dead_letters()->set_max_tasks(2);
  const v1::Queue updated = Update(update);
  EXPECT_EQ(updated.config().dead_letters().max_tasks(), 2);
  EXPECT_EQ(updated.config().dead_letters().max_bytes(), int64_t{1} << 30);
  EXPECT_EQ(updated.config().dead_letters().ttl_ms(), 14 * int64_t{86'400'000});
  const std::string second = Die("mail", "Oops", "the second");
  const std::string third = Die("mail", "Oops", "the third");
  Eventually([&] { return GetQueue("mail").stats().dead_letters() == 2; });
  EXPECT_THAT(IdsOf("mail"), ElementsAre(second, third));
  EXPECT_GT(GetQueue("mail").stats().dead_letter_bytes(), 400);

  update.mutable_dead_letters()->set_max_tasks(0);
  Update(update);
  Eventually([&] { return GetQueue("mail").stats().dead_letters() == 0; });
  EXPECT_THAT(IdsOf("mail"), IsEmpty());
  EXPECT_THAT(Groups(), IsEmpty());
  v1::GetDeadLetterResponse kept;
  EXPECT_EQ(Get(second, &kept).error_code(), grpc::NOT_FOUND);
  Die("mail", "Oops", "not kept");
  EXPECT_THAT(IdsOf("mail"), IsEmpty());
}

TEST_F(DeadLetters, OneThatIsRedrivenRunsAgainUnderANewId) {
  v1::TaskSpec spec = Once("mail", "to whom");
  spec.set_request_key("once");
  (*spec.mutable_headers())["trace"] = "7";
  const std::string id = Submit(spec).task_id();
  Fail("mail", "Oops", "no");
  const v1::RedriveDeadLettersResponse redriven = Redrive({id, "zz-zz"});
  EXPECT_EQ(redriven.results(0).status().code(), 0);
  EXPECT_EQ(redriven.results(1).status().code(), grpc::NOT_FOUND);
  const std::string again = redriven.results(0).task_id();
  EXPECT_NE(again, id);
  EXPECT_THAT(IdsOf("mail"), IsEmpty());
  EXPECT_EQ(Redrive({id}).results(0).status().code(), grpc::NOT_FOUND) << "it is redriven once";

  const v1::LeasedTask task = Lease("mail").tasks(0);
  EXPECT_EQ(task.task_id(), again);
  EXPECT_EQ(task.payload(), "to whom");
  EXPECT_EQ(task.headers().at("trace"), "7");
  EXPECT_EQ(task.attempt(), 1);
  EXPECT_EQ(task.max_attempts(), 5);
  Complete(Succeeded(task, "done"));
  EXPECT_EQ(Await(again).outcome().result(), "done");
  EXPECT_EQ(Await(id).outcome().state(), v1::TASK_STATE_FAILED) << "what was told is so";
}

TEST_F(DeadLetters, WhatIsNotAcceptedStays) {
  const std::string first = Die("mail", "Oops", "no");
  const std::string second = Die("mail", "Oops", "no");
  v1::UpdateQueueRequest update;
  update.set_name("mail");
  update.set_max_tasks(1);
  Update(update);
  v1::RedriveDeadLettersResponse redriven = Redrive({first, second});
  EXPECT_EQ(redriven.results(0).status().code(), 0);
  EXPECT_EQ(redriven.results(1).status().code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(redriven.results(1).status().message(), HasSubstr("1 of 1"));
  EXPECT_THAT(IdsOf("mail"), ElementsAre(second));
  redriven = Redrive({second}, "elsewhere");
  EXPECT_EQ(redriven.results(0).status().code(), 0);
  EXPECT_THAT(IdsOf("mail"), IsEmpty());
  EXPECT_EQ(GetTask(redriven.results(0).task_id()).queue(), "elsewhere");
}

TEST_F(DeadLetters, ManyLargeOnesAreReadInParts) {
  const std::string payload(1 << 20, 'x');
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) ids.push_back(Die("mail", "Oops", "no", payload));
  const v1::RedriveDeadLettersResponse redriven = Redrive(ids);
  for (const v1::RedriveResult& result : redriven.results()) EXPECT_EQ(result.status().code(), 0);
  EXPECT_EQ(GetQueue("mail").stats().queued(), 12);
  EXPECT_EQ(Lease("mail").tasks(0).payload(), payload);
}

TEST_F(DeadLetters, AreDeletedByTheirIds) {
  const std::string first = Die("mail", "Oops", "no");
  const std::string second = Die("mail", "Oops", "no");
  Context context;
  v1::DeleteDeadLettersRequest request;
  request.add_task_ids(first);
  request.add_task_ids("zz-zz");
  v1::DeleteDeadLettersResponse response;
  ASSERT_TRUE(letters->DeleteDeadLetters(&context, request, &response).ok());
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).code(), 0);
  EXPECT_EQ(response.results(1).code(), grpc::NOT_FOUND);
  EXPECT_THAT(IdsOf("mail"), ElementsAre(second));
  EXPECT_EQ(GetQueue("mail").stats().queued(), 0);
}

TEST_F(DeadLetters, AQueueThatKeepsSomeIsNotDeleted) {
  Die("mail", "Oops", "no");
  const auto remove = [&] {
    Context context;
    v1::DeleteQueueRequest request;
    request.set_name("mail");
    v1::DeleteQueueResponse response;
    return queues->DeleteQueue(&context, request, &response);
  };
  const grpc::Status refused = remove();
  EXPECT_EQ(refused.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("redrive or delete them first"));
  v1::UpdateQueueRequest update;
  update.set_name("mail");
  update.mutable_dead_letters()->set_max_tasks(0);
  Update(update);
  Eventually([&] { return remove().ok(); });
}

TEST_F(DeadLetters, OtherEndsAreNotKept) {
  const std::string id = Submit(Spec("mail")).task_id();
  Context context;
  v1::CancelTaskRequest cancel;
  cancel.set_task_id(id);
  v1::CancelTaskResponse cancelled;
  ASSERT_TRUE(tasks->CancelTask(&context, cancel, &cancelled).ok());
  EXPECT_THAT(IdsOf("mail"), IsEmpty());
  v1::GetDeadLetterResponse kept;
  const grpc::Status status = Get(id, &kept);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("is no dead letter"));
}

TEST_F(DeadLetters, WhatCannotBeAskedIsRefused) {
  v1::ListDeadLettersRequest request;
  v1::ListDeadLettersResponse page;
  EXPECT_EQ(List(request, &page).error_code(), grpc::INVALID_ARGUMENT);
  request.set_queue("nowhere");
  EXPECT_EQ(List(request, &page).error_code(), grpc::NOT_FOUND);
  Die("mail", "Oops", "no");
  request.set_queue("mail");
  for (const char* const group : {"3f", "others", "3f0a51c2d4e6b78g", "3f0a51c2d4e6b7800"}) {
    request.set_group(group);
    EXPECT_EQ(List(request, &page).error_code(), grpc::INVALID_ARGUMENT) << group;
  }
  request.clear_group();
  request.set_page_size(1'001);
  EXPECT_EQ(List(request, &page).error_code(), grpc::INVALID_ARGUMENT);
  request.clear_page_size();
  request.set_page_token("no token");
  EXPECT_EQ(List(request, &page).error_code(), grpc::INVALID_ARGUMENT);
  v1::GetDeadLetterResponse kept;
  EXPECT_EQ(Get("no id", &kept).error_code(), grpc::INVALID_ARGUMENT);
  const auto redrive = [&](const v1::RedriveDeadLettersRequest& asked) {
    Context context;
    v1::RedriveDeadLettersResponse response;
    return letters->RedriveDeadLetters(&context, asked, &response).error_message();
  };
  v1::RedriveDeadLettersRequest asked;
  EXPECT_THAT(redrive(asked), HasSubstr("task_ids: empty"));
  asked.add_task_ids("no id");
  EXPECT_THAT(redrive(asked), HasSubstr("task_ids: 'no id'"));
  asked.set_task_ids(0, "zz-1");
  asked.set_max_attempts(1'000'001);
  EXPECT_THAT(redrive(asked), HasSubstr("max_attempts"));

  const auto update = [&](auto set) {
    Context context;
    v1::UpdateQueueRequest change;
    change.set_name("mail");
    set(*change.mutable_dead_letters());
    v1::UpdateQueueResponse response;
    return queues->UpdateQueue(&context, change, &response).error_message();
  };
  EXPECT_THAT(update([](auto& p) { p.set_max_tasks(-1); }), HasSubstr("dead_letters.max_tasks"));
  EXPECT_THAT(update([](auto& p) { p.set_max_bytes(0); }), HasSubstr("dead_letters.max_bytes"));
  EXPECT_THAT(update([](auto& p) { p.set_ttl_ms(0); }), HasSubstr("dead_letters.ttl_ms"));
}

}  // namespace
}  // namespace treadle::test
