// ListTasks and ListDeadLetters with filters.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/search/filter.h"
#include "tests/rpc/fixture.h"
#include "treadle/v1/dead_letter_service.grpc.pb.h"

namespace treadle::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;
using Ids = std::vector<std::string>;

class SearchTest : public RpcTest {
 protected:
  static v1::TaskSpec Of(const std::string& queue, const std::string& type) {
    v1::TaskSpec spec = Spec(queue);
    spec.set_type(type);
    return spec;
  }

  grpc::Status List(const v1::ListTasksRequest& request, v1::ListTasksResponse* response) {
    Context context;
    return tasks->ListTasks(&context, request, response);
  }
  // All that a filter takes, in pages of `page_size`.
  Ids Search(const std::string& filter, bool include_finished = false, int page_size = 0) {
    v1::ListTasksRequest request;
    request.set_filter(filter);
    request.set_include_finished(include_finished);
    request.set_page_size(page_size);
    Ids ids;
    searched = 0;
    do {
      v1::ListTasksResponse response;
      const grpc::Status status = List(request, &response);
      EXPECT_TRUE(status.ok()) << filter << ": " << status.error_message();
      if (!status.ok()) break;
      EXPECT_LE(response.tasks_size(), page_size == 0 ? 100 : page_size);
      for (const v1::Task& task : response.tasks()) ids.push_back(task.task_id());
      searched += response.searched();
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return ids;
  }
  std::string ErrorOf(const std::string& filter) {
    v1::ListTasksRequest request;
    request.set_filter(filter);
    v1::ListTasksResponse response;
    const grpc::Status status = List(request, &response);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << filter;
    return status.error_message();
  }

  void Fail(const v1::LeasedTask& task, const std::string& type, const std::string& message) {
    v1::AttemptReport failed;
    failed.set_token(task.token());
    failed.set_end(v1::ATTEMPT_END_FAILED);
    failed.mutable_error()->set_type(type);
    failed.mutable_error()->set_message(message);
    EXPECT_EQ(Complete(failed).status().code(), 0);
  }
  // Submits one that fails at once.
  std::string Die(v1::TaskSpec spec, const std::string& type, const std::string& message) {
    spec.set_max_attempts(1);
    std::string id = Submit(spec).task_id();
    const v1::LeasedTask task = Lease(spec.queue()).tasks(0);
    EXPECT_EQ(task.task_id(), id);
    Fail(task, type, message);
    return id;
  }
  // As many tasks in one run.
  Ids SubmitRun(const v1::TaskSpec& common, int count) {
    Context context;
    v1::SubmitRunRequest request;
    *request.mutable_common() = common;
    for (int i = 0; i < count; ++i) request.add_payloads("");
    v1::SubmitRunResponse response;
    EXPECT_TRUE(tasks->SubmitRun(&context, request, &response).ok());
    Ids ids;
    for (const v1::SubmitResult& result : response.results()) ids.push_back(result.task_id());
    return ids;
  }

  int64_t searched = 0;  // by the last Search
};

// One task of each kind, and for each word of the grammar those that it takes.
TEST_F(SearchTest, EachWordTakesWhatItSays) {
  {
    Context context;
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name("prio");
    request.mutable_config()->set_discipline(v1::DISCIPLINE_PRIORITY);
    v1::CreateQueueResponse response;
    ASSERT_TRUE(queues->CreateQueue(&context, request, &response).ok());
  }
  const auto with_tenant = [](v1::TaskSpec spec, const std::string& tenant) {
    (*spec.mutable_headers())["tenant"] = tenant;
    return spec;
  };
  std::map<std::string, std::string> letters;  // by id
  const auto is = [&letters](const std::string& letter, const std::string& id) {
    letters[id] = letter;
    return id;
  };
  const std::string dead =
      is("d", Die(with_tenant(Of("mail", "send"), "acme"), "TimeoutError", "upstream Timed Out"));
  is("s", Submit(Of("mail", "send")).task_id());
  Complete(Succeeded(Lease("mail").tasks(0), "done"));
  const std::string stops = is("r", Submit(Of("mail", "send")).task_id());
  ASSERT_EQ(Lease("mail").tasks(0).task_id(), stops);
  {
    Context context;
    v1::CancelTaskRequest request;
    request.set_task_id(stops);
    request.set_reason("deploy of w7");
    v1::CancelTaskResponse response;
    ASSERT_TRUE(tasks->CancelTask(&context, request, &response).ok());
  }
  v1::TaskSpec waits = with_tenant(Of("mail", "resize"), "acme");
  waits.set_payload(std::string(100, 'p'));
  waits.set_request_key("order-7");
  is("q", Submit(waits).task_id());
  v1::TaskSpec later = with_tenant(Of("mail", "send"), "other");
  later.set_delay_ms(3'600'000);
  is("l", Submit(later).task_id());
  v1::TaskSpec urgent = Of("prio", "send");
  urgent.set_priority(5);
  is("p", Submit(urgent).task_id());

  const std::vector<std::pair<std::string, std::string>> table = {
      {"\"timed out\"", "d"},
      {"resize", "q"},
      {"-send", "q"},
      {"id:" + dead, "d"},
      {"id:" + dead + "," + stops, "dr"},
      {"id:zz-1", ""},
      {"queue:prio", "p"},
      {"queue:prio,mail type:resize", "q"},
      {"queue:m* priority:0 type:resize", "q"},
      {"-queue:mail", "p"},
      {"state:failed", "d"},
      {"state:succeeded,failed", "ds"},
      {"state:queued", "qp"},
      {"state:scheduled", "l"},
      {"state:unfinished", "rqlp"},
      {"-state:unfinished", "ds"},
      {"state:finished", "ds"},
      {"type:resize", "q"},
      {"type:re*", "q"},
      {"type~SIZ", "q"},
      {"worker:ten-liner", "dsr"},
      {"-worker:ten-liner", "qlp"},
      {"priority>=5", "p"},
      {"priority<5 queue:prio", ""},
      {"attempts>=1", "dsr"},
      {"attempts:0", "qlp"},
      {"max_attempts:1", "d"},
      {"max_attempts>1 state:failed", ""},
      {"age<1h", "dsrqlp"},
      {"age>1h", ""},
      {"due<2h", "l"},
      {"due>2h", ""},
      {"ran<1h", "dsr"},
      {"-ran<1h", "qlp"},
      {"finished<1h", "ds"},
      {"finished>=1h", ""},
      {"-finished<1h", "rqlp"},
      {"size>=100", "q"},
      {"size:100", "q"},
      {"size<1KiB type:resize", "q"},
      {"error~\"timed out\"", "d"},
      {"error:upstream*", "d"},
      {"error_type:TimeoutError", "d"},
      {"error_type:*", "d"},
      {"key:order-7", "q"},
      {"key:order-*", "q"},
      {"cancel_reason~DEPLOY", "r"},
      {"dead:yes", "d"},
      {"state:failed dead:no", ""},
      {"-dead:yes", "srqlp"},
      {"header.tenant:acme", "dq"},
      {"header.tenant:*", "dql"},
      {"-header.tenant:acme", "srlp"},
      {"header.tenant:acme -state:queued", "d"},
      {"header.none:x", ""},
      {"sort:age", "dsrqlp"},
      {"sort:-age", "dsrqlp"},
  };
  search::FieldSet covered = 0;
  for (const auto& [filter, takes] : table) {
    covered |= search::Parse(filter).value().fields();
    for (const int page_size : {0, 1}) {
      std::string found;
      for (const std::string& id : Search(filter, /*include_finished=*/true, page_size)) {
        found += letters[id];
      }
      EXPECT_THAT(found, UnorderedElementsAreArray(takes.begin(), takes.end()))
          << filter << " found " << found;
    }
  }
  EXPECT_EQ(covered, search::kAllFields) << "a field without a test";
}

TEST_F(SearchTest, UnfinishedTasksAreMeantUnlessAWordSaysElse) {
  const std::string dead = Die(Of("mail", "send"), "Oops", "no");
  const std::string waits = Submit(Of("mail", "send")).task_id();
  EXPECT_THAT(Search("queue:mail"), ElementsAre(waits));
  EXPECT_THAT(Search("queue:mail", /*include_finished=*/true), ElementsAre(waits, dead));
  EXPECT_THAT(Search("state:failed"), ElementsAre(dead));
  EXPECT_THAT(Search("id:" + dead), ElementsAre(dead));
  EXPECT_THAT(Search("-state:running"), ElementsAre(waits, dead));
  // What the request's other fields say holds, too.
  v1::ListTasksRequest request;
  request.set_filter("type:send");
  request.set_queue("other");
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.tasks_size(), 0);
  request.set_queue("mail");
  request.add_states(v1::TASK_STATE_RUNNING);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.tasks_size(), 0);
}

TEST_F(SearchTest, AMistakeIsToldWithItsPlace) {
  EXPECT_THAT(ErrorOf("queue:mail stat:failed"),
              HasSubstr("filter: character 12: unknown field 'stat': did you mean 'state'?"));
  EXPECT_THAT(ErrorOf("age:5m"), HasSubstr("filter: character 4: age takes <, <=, > or >="));
  EXPECT_THAT(ErrorOf(std::string(5'000, 'a')), HasSubstr("at most 4096"));
}

TEST_F(SearchTest, ATokenIsForTheFilterThatItCameWith) {
  SubmitRun(Of("mail", "send"), 3);
  v1::ListTasksRequest request;
  request.set_filter("queue:mail");
  request.set_page_size(1);
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  request.set_page_token(response.next_page_token());
  // The same in other words.
  request.set_filter("  queue:\"mail\" ");
  EXPECT_TRUE(List(request, &response).ok());
  request.set_filter("queue:mail sort:-age");
  EXPECT_EQ(List(request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(SearchTest, TheNewestComeFirstInBothParts) {
  Ids oldest = SubmitRun(Of("mail", "send"), 5);
  const Ids waits = {oldest.begin() + 3, oldest.end()};
  Ids ended;
  const v1::LeaseResponse leased = Lease("mail", 3);
  for (const v1::LeasedTask& task : leased.tasks()) {
    ended.push_back(task.task_id());
    Complete(Succeeded(task, ""));
  }
  std::sort(ended.begin(), ended.end());
  Ids expected = waits;
  expected.insert(expected.end(), ended.begin(), ended.end());
  Ids reversed = {waits.rbegin(), waits.rend()};
  reversed.insert(reversed.end(), ended.rbegin(), ended.rend());
  for (const int page_size : {1, 2, 3, 100}) {
    EXPECT_EQ(Search("queue:mail sort:age", true, page_size), expected) << page_size;
    EXPECT_EQ(Search("queue:mail sort:-age", true, page_size), reversed) << page_size;
  }
}

TEST_F(SearchTest, NoTaskTwiceAndNoneMissedWhileOthersComeAndGo) {
  const Ids stay = SubmitRun(Of("stay", "send"), 40);
  for (const std::string order : {"sort:age", "sort:-age"}) {
    v1::ListTasksRequest request;
    request.set_filter("type:send " + order);
    request.set_page_size(7);
    Ids listed;
    do {
      v1::ListTasksResponse response;
      ASSERT_TRUE(List(request, &response).ok());
      for (const v1::Task& task : response.tasks()) listed.push_back(task.task_id());
      request.set_page_token(response.next_page_token());
      // One comes, and one goes.
      Submit(Of("come", "send"));
      Complete(Succeeded(Lease("come").tasks(0), ""));
    } while (!request.page_token().empty());
    std::sort(listed.begin(), listed.end());
    EXPECT_EQ(std::adjacent_find(listed.begin(), listed.end()), listed.end()) << order;
    EXPECT_THAT(listed, ::testing::IsSupersetOf(stay)) << order;
  }
}

TEST_F(SearchTest, APageHasABudgetAndSaysHowMuchItSearched) {
  constexpr int kTasks = 9'000;
  SubmitRun(Of("many", "send"), kTasks);
  Submit(Of("few", "send"));
  v1::ListTasksRequest request;
  request.set_filter("key:none");  // each must be looked at closely
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.tasks_size(), 0);
  EXPECT_EQ(response.searched(), 5'000);
  EXPECT_FALSE(response.next_page_token().empty());
  EXPECT_THAT(Search("key:none"), IsEmpty());
  EXPECT_EQ(searched, kTasks + 1);
  EXPECT_THAT(Search("key:none sort:-age"), IsEmpty());
  EXPECT_EQ(searched, kTasks + 1);
  // What is of one queue costs no more than that.
  Search("queue:few state:queued");
  EXPECT_EQ(searched, 1);
  Search("queue:few state:running");
  EXPECT_EQ(searched, 0);
}

TEST_F(SearchTest, ARunsHeadersAreReadOnceForAllOfIt) {
  v1::TaskSpec common = Of("mail", "send");
  (*common.mutable_headers())["tenant"] = "acme";
  const Ids run = SubmitRun(common, 500);
  SubmitRun(Of("mail", "send"), 3);
  EXPECT_EQ(Search("header.tenant:acme", false, 100).size(), run.size());
  EXPECT_EQ(Search("-header.tenant:acme").size(), 3u);
}

TEST_F(SearchTest, DeadLettersTakeTheSameWords) {
  const auto letters = v1::DeadLetterService::NewStub(channel);
  v1::TaskSpec tenant = Of("mail", "send");
  (*tenant.mutable_headers())["tenant"] = "acme";
  const std::string slow = Die(tenant, "TimeoutError", "timed out after 5 s");
  const std::string lost = Die(Of("mail", "resize"), "IOError", "disk is full");
  const auto search = [&](const std::string& filter, grpc::StatusCode code = grpc::OK) {
    v1::ListDeadLettersRequest request;
    request.set_queue("mail");
    request.set_filter(filter);
    request.set_page_size(1);
    Ids ids;
    do {
      Context context;
      v1::ListDeadLettersResponse response;
      const grpc::Status status = letters->ListDeadLetters(&context, request, &response);
      EXPECT_EQ(status.error_code(), code) << filter << ": " << status.error_message();
      if (!status.ok()) break;
      for (const v1::DeadLetter& letter : response.dead_letters()) {
        ids.push_back(letter.task().task_id());
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return ids;
  };
  EXPECT_THAT(search(""), ElementsAre(slow, lost));
  EXPECT_THAT(search("error~\"timed out\""), ElementsAre(slow));
  EXPECT_THAT(search("error_type:IOError,Other"), ElementsAre(lost));
  EXPECT_THAT(search("-type:resize finished<1h"), ElementsAre(slow));
  EXPECT_THAT(search("header.tenant:acme"), ElementsAre(slow));
  EXPECT_THAT(search("-header.tenant:acme"), ElementsAre(lost));
  EXPECT_THAT(search("dead:yes state:failed worker:ten-liner"), ElementsAre(slow, lost));
  EXPECT_THAT(search("id:" + lost), ElementsAre(lost));
  EXPECT_THAT(search("state:queued"), IsEmpty());
  search("nonsense:x", grpc::INVALID_ARGUMENT);
  search("sort:age", grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace treadle::test
