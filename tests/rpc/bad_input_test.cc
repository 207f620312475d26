#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <unistd.h>
#include <vector>

#include <sys/socket.h>

#include "proto/support/limits.h"
#include "tests/rpc/connect.h"
#include "tests/rpc/raw.h"
#include "tests/rpc/stream.h"

// What wrong input gets: the canonical code, a sentence that names the field, and a server that
// goes on as if nothing had been.

namespace treadle::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kDayMs = 86'400'000;

class BadInput : public RpcTest {
 protected:
  BadInput() : RpcTest(WithoutAutoCreate()) {
    CreateQueue("fifo", v1::DISCIPLINE_FIFO);
    CreateQueue("priority", v1::DISCIPLINE_PRIORITY);
  }
  // Whatever a test did, the server still takes a task, gives it out and tells how it ended.
  ~BadInput() override {
    const v1::SubmitResult submitted = Submit(Spec("fifo", "after all that"));
    EXPECT_EQ(submitted.status().code(), 0) << submitted.status().message();
    const v1::LeaseResponse leased = Lease("fifo", 1'000);
    for (const v1::LeasedTask& task : leased.tasks()) {
      EXPECT_EQ(Complete(Succeeded(task, "fine")).status().code(), 0);
    }
    EXPECT_EQ(Await(submitted.task_id()).outcome().result(), "fine");
  }

  static LocalServerOptions WithoutAutoCreate() {
    LocalServerOptions options;
    options.broker.engine.auto_create_queues = false;
    options.rpc.first_message_ms = 200;
    return options;
  }
  void CreateQueue(const std::string& name, v1::Discipline discipline) {
    Context context;
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name(name);
    request.mutable_config()->set_discipline(discipline);
    v1::CreateQueueResponse response;
    const grpc::Status status = queues->CreateQueue(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
};

TEST_F(BadInput, EachWrongTaskIsRefusedByName) {
  struct Case {
    std::function<void(v1::TaskSpec&)> spoil;
    grpc::StatusCode code;
    std::string says;
  };
  const auto bad = grpc::INVALID_ARGUMENT;
  const std::vector<Case> cases = {
      {[](auto& t) { t.set_queue("nowhere"); }, grpc::NOT_FOUND, "queue"},
      {[](auto& t) { t.set_queue(""); }, bad, "queue: empty"},
      {[](auto& t) { t.set_queue(std::string(10'240, 'q')); }, bad, "queue: has 10240 bytes"},
      {[](auto& t) { t.set_queue("a\nb"); }, bad, "queue: has control characters"},
      {[](auto& t) { t.set_type(""); }, bad, "type: empty"},
      {[](auto& t) { t.set_type(std::string("a\0b", 3)); }, bad, "type: has control characters"},
      {[](auto& t) { t.set_type(std::string(256, 't')); }, bad, "type: has 256 bytes"},
      {[](auto& t) { t.set_payload(std::string(limits::kPayloadBytesMax + 1, 'x')); }, bad,
       "payload: has 4128769 bytes"},
      {[](auto& t) { t.set_content_type(std::string(256, 'c')); }, bad, "content_type: has 256"},
      {[](auto& t) {
         for (int i = 0; i < 65; ++i) (*t.mutable_headers())[std::to_string(i)] = "v";
       },
       bad, "headers: has 65 entries"},
      {[](auto& t) { (*t.mutable_headers())["k"] = std::string(17'000, 'v'); }, bad,
       "headers: have 17001 bytes"},
      {[](auto& t) { (*t.mutable_headers())[""] = "v"; }, bad, "headers: a key is empty"},
      {[](auto& t) { t.set_priority(1); }, bad, "priority"},
      {[](auto& t) { t.set_run_at_ms(-1); }, bad, "run_at_ms: -1"},
      {[](auto& t) { t.set_run_at_ms(kForever); }, bad, "run_at_ms"},
      {[](auto& t) { t.set_delay_ms(-1); }, bad, "delay_ms: -1 ms"},
      {[](auto& t) { t.set_delay_ms(367 * kDayMs); }, bad, "delay_ms"},
      {[](auto& t) { t.set_deadline_at_ms(-5); }, bad, "deadline_at_ms: -5"},
      {[](auto& t) { t.set_deadline_at_ms(kForever); }, bad, "deadline_at_ms"},
      {[](auto& t) { t.set_deadline_in_ms(-5); }, bad, "deadline_in_ms: -5"},
      {[](auto& t) { t.set_deadline_in_ms(kForever); }, bad, "deadline_in_ms"},
      {[](auto& t) { t.set_attempt_timeout_ms(-1); }, bad, "attempt_timeout_ms: -1"},
      {[](auto& t) { t.set_attempt_timeout_ms(kForever); }, bad, "attempt_timeout_ms"},
      {[](auto& t) { t.set_result_ttl_ms(-1); }, bad, "result_ttl_ms: -1"},
      {[](auto& t) { t.set_result_ttl_ms(kForever); }, bad, "result_ttl_ms"},
      {[](auto& t) { t.set_wait_if_full_ms(-1); }, bad, "wait_if_full_ms: -1"},
      {[](auto& t) { t.set_wait_if_full_ms(2 * kDayMs); }, bad, "wait_if_full_ms"},
      {[](auto& t) { t.set_max_attempts(-1); }, bad, "max_attempts: -1"},
      {[](auto& t) { t.set_max_attempts(1'000'001); }, bad, "max_attempts: 1000001"},
      {[](auto& t) { t.mutable_retry()->set_initial_delay_ms(-1); }, bad, "retry.initial_delay_ms"},
      {[](auto& t) { t.mutable_retry()->set_max_delay_ms(8 * kDayMs); }, bad, "retry.max_delay_ms"},
      {[](auto& t) { t.mutable_retry()->set_multiplier(0.5); }, bad, "retry.multiplier: 0.5"},
      {[](auto& t) { t.mutable_retry()->set_multiplier(std::nan("")); }, bad, "retry.multiplier"},
      {[](auto& t) { t.mutable_retry()->set_jitter(1.5); }, bad, "retry.jitter: 1.5"},
      {[](auto& t) { t.mutable_retry()->set_jitter(std::nan("")); }, bad, "retry.jitter"},
      {[](auto& t) {
         for (int i = 0; i < 33; ++i) t.mutable_retry()->add_no_retry_error_types("E");
       },
       bad, "retry.no_retry_error_types: has 33"},
      {[](auto& t) { t.set_request_key(std::string(256, 'k')); }, bad, "request_key: has 256"},
      {[](auto& t) { t.set_durability(static_cast<v1::Durability>(9)); }, bad, "durability: 9"},
  };
  // One batch, with a good one at its end.
  v1::SubmitRequest request;
  for (const Case& c : cases) {
    v1::TaskSpec spec = Spec("fifo");
    c.spoil(spec);
    *request.add_tasks() = spec;
  }
  *request.add_tasks() = Spec("fifo");
  Context context;
  v1::SubmitResponse response;
  const grpc::Status status = tasks->Submit(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.results_size(), request.tasks_size());
  for (size_t i = 0; i < cases.size(); ++i) {
    const v1::ItemStatus& item = response.results(static_cast<int>(i)).status();
    EXPECT_EQ(item.code(), cases[i].code) << cases[i].says << ": " << item.message();
    EXPECT_THAT(item.message(), HasSubstr(cases[i].says));
    EXPECT_LT(item.message().size(), 300u) << item.message();
    EXPECT_EQ(response.results(static_cast<int>(i)).task_id(), "");
  }
  EXPECT_EQ(response.results(static_cast<int>(cases.size())).status().code(), 0);
}

TEST_F(BadInput, EachWrongUnaryRequestIsRefusedByName) {
  const auto bad = grpc::INVALID_ARGUMENT;
  const auto expect = [](const grpc::Status& status, grpc::StatusCode code,
                         const std::string& says) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(says));
    EXPECT_LT(status.error_message().size(), 300u) << status.error_message();
  };
  const auto submit = [&](int count) {
    Context context;
    v1::SubmitRequest request;
    for (int i = 0; i < count; ++i) *request.add_tasks() = Spec("fifo");
    v1::SubmitResponse response;
    return tasks->Submit(&context, request, &response);
  };
  expect(submit(0), bad, "tasks: empty");
  expect(submit(10'001), bad, "tasks: has 10001 items");

  const auto ask = [&]<typename Request, typename Response>(
                       grpc::Status (v1::TaskService::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                       const std::string& id) {
    Context context;
    Request request;
    request.set_task_id(id);
    Response response;
    return ((*tasks).*method)(&context, request, &response);
  };
  const auto get = [&](const std::string& id) { return ask(&v1::TaskService::Stub::GetTask, id); };
  expect(get("zz-1"), grpc::NOT_FOUND, "zz-1");
  expect(get(""), bad, "task_id");
  expect(get("../../etc"), bad, "task_id: '../../etc'");
  expect(get(std::string(10'000, '9')), bad, "task_id");

  const auto payload = [&](const std::string& id) {
    return ask(&v1::TaskService::Stub::GetPayload, id);
  };
  expect(payload("zz-1"), grpc::NOT_FOUND, "zz-1");
  expect(payload("x"), bad, "task_id");

  const auto cancel = [&](const std::string& id, const std::string& reason = {}) {
    Context context;
    v1::CancelTaskRequest request;
    request.set_task_id(id);
    request.set_reason(reason);
    v1::CancelTaskResponse response;
    return tasks->CancelTask(&context, request, &response);
  };
  expect(cancel("zz-1"), grpc::NOT_FOUND, "zz-1");
  expect(cancel("x"), bad, "task_id");
  expect(cancel("zz-1", std::string(256, 'x')), bad, "reason");
  expect(cancel("zz-1", "a\nb"), bad, "reason");

  const auto await = [&](const std::string& id, int64_t timeout_ms) {
    Context context;
    v1::AwaitTaskRequest request;
    request.set_task_id(id);
    request.set_timeout_ms(timeout_ms);
    v1::AwaitTaskResponse response;
    return tasks->AwaitTask(&context, request, &response);
  };
  expect(await("zz-1", 0), grpc::NOT_FOUND, "zz-1");
  expect(await("zz-1", 1'000), grpc::NOT_FOUND, "zz-1");
  expect(await("zz-1", -1), bad, "timeout_ms: -1");
  expect(await("zz-1", kForever), bad, "timeout_ms");

  const auto list = [&](const std::function<void(v1::ListTasksRequest&)>& spoil) {
    Context context;
    v1::ListTasksRequest request;
    spoil(request);
    v1::ListTasksResponse response;
    return tasks->ListTasks(&context, request, &response);
  };
  expect(list([](auto& r) { r.set_page_size(-1); }), bad, "page_size: -1");
  expect(list([](auto& r) { r.set_page_size(1'001); }), bad, "page_size: 1001");
  expect(list([](auto& r) { r.set_page_token("nonsense"); }), bad, "page_token");
  expect(list([](auto& r) { r.add_states(static_cast<v1::TaskState>(77)); }), bad, "states[0]: 77");
  expect(list([](auto& r) { r.add_states(v1::TASK_STATE_FAILED); }), bad, "include_finished");
  expect(list([](auto& r) { r.set_queue("a\tb"); }), bad, "queue: has control characters");

  const auto create = [&](const std::function<void(v1::QueueConfig&)>& spoil) {
    Context context;
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name("new");
    spoil(*request.mutable_config());
    v1::CreateQueueResponse response;
    return queues->CreateQueue(&context, request, &response);
  };
  expect(create([](auto& c) { c.set_name(""); }), bad, "config.name: empty");
  expect(create([](auto& c) { c.set_name(std::string(10'240, 'q')); }), bad, "config.name: has");
  expect(create([](auto& c) { c.set_name("a\x1b"); }), bad, "config.name: has control");
  expect(create([](auto& c) { c.set_discipline(static_cast<v1::Discipline>(9)); }), bad,
         "config.discipline: 9");
  expect(create([](auto& c) { c.set_max_tasks(-1); }), bad, "config.max_tasks: -1");
  expect(create([](auto& c) { c.set_max_tasks(kForever); }), bad, "config.max_tasks");
  expect(create([](auto& c) { c.set_max_bytes(-1); }), bad, "config.max_bytes: -1");
  expect(create([](auto& c) {
           c.set_name("fifo");
           c.set_discipline(v1::DISCIPLINE_LIFO);
         }),
         grpc::ALREADY_EXISTS, "fifo");
  {
    Context context;
    v1::CreateQueueResponse response;
    expect(queues->CreateQueue(&context, {}, &response), bad, "config: absent");
  }
  {
    Context context;
    v1::GetQueueRequest request;
    request.set_name("nowhere");
    v1::GetQueueResponse response;
    expect(queues->GetQueue(&context, request, &response), grpc::NOT_FOUND, "nowhere");
  }
  {
    Context context;
    v1::UpdateQueueRequest request;
    request.set_name("fifo");
    request.set_max_tasks(-3);
    v1::UpdateQueueResponse response;
    expect(queues->UpdateQueue(&context, request, &response), bad, "max_tasks: -3");
  }
  {
    Context context;
    v1::DeleteQueueRequest request;
    request.set_name("nowhere");
    v1::DeleteQueueResponse response;
    expect(queues->DeleteQueue(&context, request, &response), grpc::NOT_FOUND, "nowhere");
  }

  const auto lease = [&](const std::function<void(v1::LeaseRequest&)>& spoil) {
    Context context;
    v1::LeaseRequest request;
    request.add_queues("fifo");
    spoil(request);
    v1::LeaseResponse response;
    return workers->Lease(&context, request, &response);
  };
  expect(lease([](auto& r) { r.clear_queues(); }), bad, "queues: empty");
  expect(lease([](auto& r) { r.add_queues(""); }), bad, "queues[1]: empty");
  expect(lease([](auto& r) {
           for (int i = 0; i < 256; ++i) r.add_queues("q");
         }),
         bad, "queues: has 257 items");
  expect(lease([](auto& r) { r.set_max_tasks(-1); }), bad, "max_tasks: -1");
  expect(lease([](auto& r) { r.set_max_tasks(1'000'000'000); }), bad, "max_tasks: 1000000000");
  expect(lease([](auto& r) { r.set_lease_ms(1); }), bad, "lease_ms: 1 ms");
  expect(lease([](auto& r) { r.set_lease_ms(-1); }), bad, "lease_ms: -1 ms");
  expect(lease([](auto& r) { r.set_lease_ms(kForever); }), bad, "lease_ms");
  expect(lease([](auto& r) { r.set_wait_ms(-1); }), bad, "wait_ms: -1");
  expect(lease([](auto& r) { r.set_wait_ms(kForever); }), bad, "wait_ms");
  {
    Context context;
    v1::CompleteResponse response;
    expect(workers->Complete(&context, {}, &response), bad, "reports: empty");
  }
  {
    Context context;
    v1::ExtendResponse response;
    expect(workers->Extend(&context, {}, &response), bad, "leases: empty");
  }
}

TEST_F(BadInput, WrongCompletionsChangeNothingAndSaySo) {
  const std::string id = Submit(Spec("fifo", "mine")).task_id();
  const v1::LeasedTask task = Lease("fifo").tasks(0);
  v1::AttemptReport report = Succeeded(task, "right");
  const auto complete = [&](const std::function<void(v1::AttemptReport&)>& spoil) {
    v1::AttemptReport spoilt = report;
    spoil(spoilt);
    return Complete(spoilt).status();
  };
  const auto expect = [](const v1::ItemStatus& status, grpc::StatusCode code,
                         const std::string& says) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(says));
  };
  expect(complete([](auto& r) { r.set_token(r.token() + 1); }), grpc::ABORTED, "token");
  expect(complete([](auto& r) { r.set_token(0); }), grpc::INVALID_ARGUMENT, "token: absent");
  expect(complete([](auto& r) { r.clear_end(); }), grpc::INVALID_ARGUMENT, "end: 0");
  expect(complete([](auto& r) { r.set_end(static_cast<v1::AttemptEnd>(42)); }),
         grpc::INVALID_ARGUMENT, "end: 42");
  expect(complete([](auto& r) { r.set_result(std::string(limits::kPayloadBytesMax + 1, 'x')); }),
         grpc::INVALID_ARGUMENT, "result: has 4128769");
  EXPECT_FALSE(Await(id, 0).finished());
  expect(complete([](auto&) {}), grpc::OK, "");
  expect(complete([](auto&) {}), grpc::OK, "");  // the same again: its answer was lost
  expect(complete([](auto& r) { r.set_end(v1::ATTEMPT_END_FAILED); }), grpc::ABORTED, "");
  EXPECT_EQ(Await(id).outcome().result(), "right");

  Context context;
  v1::ExtendRequest extend;
  v1::LeaseExtension& lease = *extend.add_leases();
  lease.set_token(task.token());
  lease.set_lease_ms(-1);
  *extend.add_leases() = lease;
  extend.mutable_leases(1)->set_lease_ms(0);
  v1::ExtendResponse extended;
  ASSERT_TRUE(workers->Extend(&context, extend, &extended).ok());
  EXPECT_EQ(extended.results(0).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(extended.results(1).status().code(), grpc::ABORTED);
}

void AddResults(v1::AttachRequest& request, uint64_t first_token,
                const std::vector<uint32_t>& sizes, const std::string& results) {
  v1::ReportRun& run = *request.add_succeeded();
  run.set_first_token(first_token);
  for (const uint32_t size : sizes) run.add_result_sizes(size);
  run.set_results(results);
}

TEST_F(BadInput, EachWrongWorkerStreamIsEndedByName) {
  struct Case {
    std::function<void(v1::AttachRequest&)> spoil;
    std::string says;
  };
  const std::vector<Case> cases = {
      {[](auto& r) { r.clear_hello(); }, "hello: absent"},
      {[](auto& r) { r.mutable_hello()->clear_worker_id(); }, "hello.worker_id: empty"},
      {[](auto& r) { r.mutable_hello()->set_worker_id(std::string(65, 'w')); },
       "hello.worker_id: has 65 bytes"},
      {[](auto& r) { r.mutable_hello()->clear_queues(); }, "hello.queues: empty"},
      {[](auto& r) { r.mutable_hello()->add_queues("a\rb"); }, "hello.queues[1]: has control"},
      {[](auto& r) { r.mutable_hello()->clear_pools(); }, "hello.pools: empty"},
      {[](auto& r) {
         for (int i = 0; i < 16; ++i) r.mutable_hello()->add_pools();
       },
       "hello.pools: has 17"},
      {[](auto& r) { r.mutable_hello()->mutable_pools(0)->set_slots(-1); },
       "hello.pools[0].slots: -1"},
      {[](auto& r) { r.mutable_hello()->mutable_pools(0)->add_types(""); },
       "hello.pools[0].types[0]: empty"},
      {[](auto& r) { r.mutable_hello()->add_held_tokens(0); }, "hello.held_tokens: absent"},
      {[](auto& r) { WorkerClient::AddCredit(r, -1); }, "credits[0].tasks: -1 tasks"},
      {[](auto& r) { WorkerClient::AddCredit(r, 0); }, "credits[0].tasks: 0 tasks"},
      {[](auto& r) { WorkerClient::AddCredit(r, 1'000'000'000); }, "credits[0].tasks: 1000000000"},
      {[](auto& r) { WorkerClient::AddCredit(r, 1, 7); }, "credits[0].pool: 7"},
      {[](auto& r) { WorkerClient::AddCredit(r, 1, -1); }, "credits[0].pool: -1"},
      {[](auto& r) { r.add_started_tokens(0); }, "started_tokens: absent"},
      {[](auto& r) { r.add_handlers(); }, "handlers[0].type: empty"},
      {[](auto& r) {
         r.add_handlers()->set_type("t");
         r.mutable_handlers(0)->set_pool(std::string(256, 'p'));
       },
       "handlers[0].pool: has 256 bytes"},
      {[](auto& r) {
         r.add_handlers()->set_type("t");
         r.mutable_handlers(0)->set_runs(-1);
       },
       "handlers[0].runs: -1"},
      {[](auto& r) {
         r.add_handlers()->set_type("t");
         r.mutable_handlers(0)->set_wall_ms(std::nan(""));
       },
       "handlers[0].cpu_ms: 0, of nan in wall_ms"},
      {[](auto& r) {
         for (int i = 0; i < 1'025; ++i) r.add_handlers()->set_type("t");
       },
       "handlers: has 1025 items"},
      {[](auto& r) { r.add_progress(); }, "progress.token: absent"},
      {[](auto& r) {
         r.add_progress()->set_token(1);
         r.mutable_progress(0)->mutable_progress()->set_fraction(7);
       },
       "progress.progress.fraction: 7"},
      {[](auto& r) { r.add_reports()->set_token(1); }, "report_sequence: absent"},
      {[](auto& r) { AddResults(r, 1, {2}, "ok"); }, "report_sequence: absent"},
      {[](auto& r) { AddResults(r, 0, {2}, "ok"); }, "succeeded[0].first_token: absent"},
      {[](auto& r) {
         AddResults(r, (uint64_t{1} << 53) - 1, {1, 1}, "ok");
       },
       "succeeded[0].first_token: 9007199254740991"},
      {[](auto& r) {
         AddResults(r, UINT64_MAX, {1, 1}, "ok");
       },
       "succeeded[0].first_token: 1844"},
      {[](auto& r) { AddResults(r, 1, {}, ""); }, "succeeded[0].result_sizes: empty"},
      {[](auto& r) {
         AddResults(r, 1, {2, 1}, "ok");
       },
       "succeeded[0].result_sizes: add up to 3 bytes, and results has 2"},
      {[](auto& r) { AddResults(r, 1, {1}, "ok"); },
       "succeeded[0].result_sizes: add up to 1 bytes, and results has 2"},
      {[](auto& r) {
         AddResults(r, 1, {UINT32_MAX, UINT32_MAX, 4}, "ok");
       },
       "succeeded[0].result_sizes: add up to 8589934594 bytes"},
      {[](auto& r) {
         AddResults(r, 1, {2}, "ok");
         r.mutable_succeeded(0)->set_content_type("a\nb");
       },
       "succeeded[0].content_type: has control"},
      {[](auto& r) {
         AddResults(r, 1, std::vector<uint32_t>(9'999), "");
         AddResults(r, 20'000, {0, 0}, "");
       },
       "succeeded and reports: has 10001 items"},
  };
  for (const Case& c : cases) {
    WorkerClient worker(*workers);
    v1::AttachRequest request = WorkerClient::Hello("w", "fifo");
    c.spoil(request);
    worker.Write(request);
    const grpc::Status status = worker.Finish();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << c.says;
    EXPECT_THAT(status.error_message(), HasSubstr(c.says));
  }
  // Piece by piece beyond the bound.
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w", "empty");
  WorkerClient::AddCredit(hello, 100'000);
  WorkerClient::AddCredit(hello, 100'000);
  worker.Write(hello);
  const grpc::Status status = worker.Finish();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.error_message(), HasSubstr("credit"));
}

TEST_F(BadInput, EachWrongRunIsRefusedByName) {
  const auto refusal = [this](const std::function<void(v1::SubmitRunRequest&)>& spoil) {
    v1::SubmitRunRequest request;
    *request.mutable_common() = Spec("fifo");
    request.add_payloads("hello");
    spoil(request);
    Context context;
    v1::SubmitRunResponse response;
    return tasks->SubmitRun(&context, request, &response);
  };
  const std::vector<std::pair<std::function<void(v1::SubmitRunRequest&)>, std::string>> cases = {
      {[](auto& r) { r.clear_payloads(); }, "payloads: empty"},
      {[](auto& r) { r.mutable_common()->set_payload("x"); }, "common: has a payload"},
      {[](auto& r) { r.mutable_common()->set_request_key("x"); }, "common: has a payload or"},
      {[](auto& r) {
         for (const char* key : {"a", "b"}) r.add_request_keys(key);
       },
       "request_keys: has 2 items for 1 tasks"},
  };
  for (const auto& [spoil, says] : cases) {
    const grpc::Status status = refusal(spoil);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << says;
    EXPECT_THAT(status.error_message(), HasSubstr(says));
  }
  // What is wrong with one task, or with what they have in common, is said of each.
  v1::SubmitRunRequest request;
  *request.mutable_common() = Spec("fifo");
  request.add_payloads("fits");
  request.add_payloads(std::string(limits::kPayloadBytesMax + 1, 'x'));
  Context context;
  v1::SubmitRunResponse response;
  ASSERT_TRUE(tasks->SubmitRun(&context, request, &response).ok());
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).status().code(), 0);
  EXPECT_EQ(response.results(1).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(response.results(1).status().message(), HasSubstr("payload: has"));
}

TEST_F(BadInput, EachWrongSessionIsEndedByName) {
  struct Case {
    std::function<void(v1::SessionRequest&)> spoil;
    grpc::StatusCode code;
    std::string says;
  };
  const auto bad = grpc::INVALID_ARGUMENT;
  const std::vector<Case> cases = {
      {[](auto& r) { r.clear_open(); }, bad, "open: absent"},
      {[](auto& r) { r.mutable_open()->set_session_id(999'999); }, grpc::NOT_FOUND, "session"},
      {[](auto& r) { r.mutable_open()->set_client_name(std::string(256, 'c')); }, bad,
       "open.client_name: has 256"},
      {[](auto& r) { r.add_runs()->set_first_sequence(1); }, bad, "runs[0].payload_sizes: empty"},
      {[](auto& r) { r.add_runs()->add_payload_sizes(0); }, bad, "runs[0].first_sequence: 0"},
      {[](auto& r) {
         AddTask(2, Spec("fifo"), r);
         AddTask(1, Spec("fifo"), r);
       },
       bad, "runs[1].first_sequence: 1 after 2"},
      {[](auto& r) { AddTask(UINT64_MAX, Spec("fifo"), r); }, bad, "sequence"},
      {[](auto& r) {
         AddTask(1, Spec("fifo", "hello"), r);
         r.mutable_runs(0)->add_payload_sizes(1);
       },
       bad, "runs[0].payload_sizes: add up to 6 bytes, and payloads has 5"},
      {[](auto& r) {
         AddTask(1, Spec("fifo", "hello"), r);
         r.mutable_runs(0)->add_payload_sizes(0);
         AddTask(2, Spec("fifo"), r);
       },
       bad, "runs[1].first_sequence: 2 after 2"},
      {[](auto& r) {
         AddTask(1, Spec("fifo"), r);
         for (const uint32_t size : {UINT32_MAX, UINT32_MAX})
           r.mutable_runs(0)->add_payload_sizes(size);
       },
       bad, "add up to 85899345"},
      {[](auto& r) {
         AddTask(1, Spec("fifo"), r);
         r.mutable_runs(0)->mutable_common()->set_payload("hello");
       },
       bad, "runs[0].common: has a payload"},
      {[](auto& r) {
         AddTask(1, Spec("fifo"), r);
         r.mutable_runs(0)->mutable_common()->set_request_key("k");
       },
       bad, "runs[0].common: has a payload or a request_key"},
      {[](auto& r) {
         AddTask(1, Spec("fifo"), r);
         for (const char* key : {"a", "b"}) r.mutable_runs(0)->add_request_keys(key);
       },
       bad, "runs[0].request_keys: has 2 items for 1 tasks"},
      {[](auto& r) {
         AddTask(1, Spec("fifo"), r);
         for (int i = 0; i < 10'000; ++i) r.mutable_runs(0)->add_payload_sizes(0);
       },
       bad, "runs: has 10001"},
      {[](auto& r) {
         for (int i = 0; i < 10'001; ++i) r.add_await_task_ids("1-1");
       },
       bad, "await_task_ids: has 10001"},
  };
  for (const Case& c : cases) {
    SessionClient session(*tasks);
    v1::SessionRequest request;
    request.mutable_open();
    c.spoil(request);
    session.Write(request);
    const grpc::Status status = session.Finish();
    EXPECT_EQ(status.error_code(), c.code) << c.says << ": " << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(c.says));
  }
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest again;
  again.mutable_open();
  session.Write(again);
  EXPECT_THAT(session.Finish().error_message(), HasSubstr("open: this stream is open already"));
}

TEST_F(BadInput, AnAbsurdSequenceIsRefusedAndTheSessionGoesOn) {
  SessionClient session(*tasks);
  session.Open();
  session.Submit(5'000'000'000, Spec("fifo"));
  const v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.refused_size(), 1);
  EXPECT_EQ(response.refused(0).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(response.refused(0).status().message(), HasSubstr("sequence"));
  session.Submit(1, Spec("fifo"));
  EXPECT_EQ(session.Next().accepted_size(), 1);
}

TEST_F(BadInput, TextThatIsNotUtf8IsRefusedByName) {
  // tasks { queue: "fifo" type: "\xFF" }
  const std::string spec = std::string("\x0A\x04") + "fifo" + "\x12\x01\xFF";
  const std::string tasks_field = std::string(1, '\x0A') + static_cast<char>(spec.size()) + spec;
  const grpc::Status unary = CallRaw(*channel, "treadle.v1.TaskService/Submit", tasks_field);
  EXPECT_EQ(unary.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(unary.error_message(), HasSubstr("tasks[0].type: not valid UTF-8"));

  // runs { first_sequence: 1 common { ... } }
  const std::string run = std::string("\x08\x01\x12") + static_cast<char>(spec.size()) + spec;
  RawStream session(*channel, "treadle.v1.TaskService/Session");
  v1::SessionRequest open;
  open.mutable_open();
  session.Write(open.SerializeAsString());
  ASSERT_TRUE(session.Read());
  session.Write(std::string(1, '\x12') + static_cast<char>(run.size()) + run);
  const grpc::Status stream = session.Finish();
  EXPECT_EQ(stream.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(stream.error_message(), HasSubstr("runs[0].common.type: not valid UTF-8"));
}

TEST_F(BadInput, BytesThatAreNoMessageAreRefusedEverywhere) {
  const std::string garbage = "\xFF\xFF\xFF\xFF\xFF garbage";
  for (const char* method :
       {"treadle.v1.TaskService/Submit", "treadle.v1.TaskService/GetTask",
        "treadle.v1.TaskService/AwaitTask", "treadle.v1.TaskService/GetPayload",
        "treadle.v1.TaskService/ExplainTask", "treadle.v1.TaskService/ExplainSubmit",
        "treadle.v1.TaskService/CancelTask", "treadle.v1.TaskService/ListTasks",
        "treadle.v1.WorkerService/Lease", "treadle.v1.WorkerService/Complete",
        "treadle.v1.WorkerService/Extend", "treadle.v1.QueueService/CreateQueue",
        "treadle.v1.QueueService/ListQueues", "treadle.v1.AdminService/GetServerInfo",
        "treadle.v1.AdminService/ListWorkers", "treadle.v1.AdminService/GetCharts",
        "treadle.v1.DeadLetterService/ListDeadLetters",
        "treadle.v1.DeadLetterService/RedriveDeadLetters"}) {
    const grpc::Status status = CallRaw(*channel, method, garbage);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("the message is not a treadle.v1.")) << method;
  }
  for (const char* method : {"treadle.v1.TaskService/Session", "treadle.v1.WorkerService/Attach"}) {
    RawStream stream(*channel, method);
    stream.Write(garbage);
    const grpc::Status status = stream.Finish();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("the message is not a treadle.v1.")) << method;
  }
  EXPECT_EQ(CallRaw(*channel, "treadle.v1.TaskService/NoSuch", "").error_code(),
            grpc::UNIMPLEMENTED);
}

TEST_F(BadInput, AMessageThatIsTooLongIsRefusedWithTheBound) {
  const std::string long_message(9 << 20, 'x');
  const grpc::Status unary = CallRaw(*channel, "treadle.v1.TaskService/Submit", long_message);
  EXPECT_EQ(unary.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(unary.error_message(), HasSubstr("message_bytes_max"));
  RawStream stream(*channel, "treadle.v1.TaskService/Session");
  stream.Write(long_message);
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("has 9437184 bytes"));
  // Far too long: gRPC itself takes no more of it.
  EXPECT_EQ(
      CallRaw(*channel, "treadle.v1.TaskService/Submit", std::string(20 << 20, 'x')).error_code(),
      grpc::RESOURCE_EXHAUSTED);
}

TEST_F(BadInput, AStreamThatSendsNothingIsEnded) {
  RawStream silent(*channel, "treadle.v1.TaskService/Session");
  const grpc::Status status = silent.Finish();
  EXPECT_EQ(status.error_code(), grpc::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(),
              AllOf(StartsWith("open: "), HasSubstr("nothing arrived for")));
  RawStream worker(*channel, "treadle.v1.WorkerService/Attach");
  EXPECT_THAT(worker.Finish().error_message(), StartsWith("hello: "));
  RawStream closed(*channel, "treadle.v1.WorkerService/Attach");
  closed.HalfClose();
  EXPECT_THAT(closed.Finish().error_message(), HasSubstr("hello: absent"));
}

TEST_F(BadInput, GarbageOnThePortHarmsNobody) {
  const std::vector<std::string> greetings = {
      "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", std::string(100'000, '\xFF'),
      std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string(1'000, '\x07')};
  for (const std::string& greeting : greetings) {
    const int fd = ConnectTo(server.port());
    (void)::send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
    EXPECT_NE(Info().version(), "");
    ::close(fd);
  }
}

}  // namespace
}  // namespace treadle::test
