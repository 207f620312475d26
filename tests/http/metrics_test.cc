#include <cstdint>
#include <httplib.h>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/service/http_port.h"
#include "tests/rpc/fixture.h"

namespace treadle::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;

// All that a scrape of a server with work in it tells, by name and type. What is added here is
// added to the table in server/README.md.
constexpr const char* kTold[] = {
    "process_cpu_seconds_total counter",
    "process_max_fds gauge",
    "process_open_fds gauge",
    "process_resident_memory_bytes gauge",
    "process_start_time_seconds gauge",
    "process_threads gauge",
    "process_virtual_memory_bytes gauge",
    "treadle_awaited_tasks gauge",
    "treadle_build_info gauge",
    "treadle_dispatch_stalls_total counter",
    "treadle_other_queues gauge",
    "treadle_queue_dead_letter_bytes gauge",
    "treadle_queue_dead_letters gauge",
    "treadle_queue_oldest_age_seconds gauge",
    "treadle_queue_paused gauge",
    "treadle_queue_tasks gauge",
    "treadle_queue_tasks_max gauge",
    "treadle_queue_unserved_types gauge",
    "treadle_queue_waiting_bytes gauge",
    "treadle_queue_waiting_bytes_max gauge",
    "treadle_queue_waiting_submits gauge",
    "treadle_queues gauge",
    "treadle_queues_max gauge",
    "treadle_ready gauge",
    "treadle_rows_changed_total counter",
    "treadle_rpc_calls gauge",
    "treadle_rpc_calls_max gauge",
    "treadle_rpc_connections gauge",
    "treadle_rpc_connections_max gauge",
    "treadle_rpc_held_streams gauge",
    "treadle_rpc_incoming_bytes gauge",
    "treadle_rpc_incoming_bytes_max gauge",
    "treadle_rpc_incoming_requests gauge",
    "treadle_rpc_outgoing_bytes gauge",
    "treadle_rpc_outgoing_bytes_max gauge",
    "treadle_sessions gauge",
    "treadle_sessions_max gauge",
    "treadle_spans_dropped_total counter",
    "treadle_spans_written_total counter",
    "treadle_store_block_cache_bytes gauge",
    "treadle_store_busy_seconds gauge",
    "treadle_store_compaction_pending_bytes gauge",
    "treadle_store_compactions gauge",
    "treadle_store_disk_free_bytes gauge",
    "treadle_store_free_bytes gauge",
    "treadle_store_free_bytes_min gauge",
    "treadle_store_hung_seconds gauge",
    "treadle_store_log_bytes gauge",
    "treadle_store_memtable_bytes gauge",
    "treadle_store_table_bytes gauge",
    "treadle_store_unwritten_bytes gauge",
    "treadle_sync_seconds histogram",
    "treadle_task_queueing_seconds histogram",
    "treadle_task_retries_total counter",
    "treadle_task_running_seconds histogram",
    "treadle_tasks_finished_total counter",
    "treadle_tasks_submitted_total counter",
    "treadle_turn_batch_bytes histogram",
    "treadle_turn_requests histogram",
    "treadle_unfinished_tasks gauge",
    "treadle_unfinished_tasks_max gauge",
    "treadle_unsynced_bytes gauge",
    "treadle_unsynced_bytes_max gauge",
    "treadle_untraced_tasks_total counter",
    "treadle_worker_slots gauge",
    "treadle_workers gauge",
};

// A scrape: the types by name, and the values by name and labels as they are written.
struct Scrape {
  explicit Scrape(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const size_t space = line.rfind(' ');
      if (absl::StartsWith(line, "# TYPE ")) {
        const std::string name = line.substr(7, space - 7);
        EXPECT_TRUE(types.emplace(name, line.substr(space + 1)).second) << name << " comes twice";
      } else if (!absl::StartsWith(line, "#")) {
        const std::string name = line.substr(0, space);
        EXPECT_TRUE(values.emplace(name, std::stod(line.substr(space + 1))).second)
            << name << " comes twice";
      }
    }
  }
  double operator[](const std::string& name) const {
    const auto found = values.find(name);
    if (found != values.end()) return found->second;
    ADD_FAILURE() << "there is no " << name;
    return -1;
  }

  std::map<std::string, std::string> types;
  std::map<std::string, double> values;
};

http::Options AnyPort() {
  http::Options options;
  options.listen = "127.0.0.1:0";
  return options;
}

class MetricsTest : public RpcTest {
 protected:
  explicit MetricsTest(LocalServerOptions options = {}) : RpcTest(std::move(options)) {
    EXPECT_TRUE(port_.Start().ok());
    port_.Serves(server.service(), server.options(), server.store(), server.clock());
  }

  httplib::Result Get(const std::string& path) {
    return httplib::Client("127.0.0.1", port_.port()).Get(path);
  }
  Scrape Look() {
    const httplib::Result got = Get("/metrics");
    EXPECT_TRUE(got && got->status == 200);
    return Scrape(got ? got->body : "");
  }
  // One task of the queue, to its end.
  void Run(const std::string& queue) {
    const std::string id = Submit(Spec(queue, "work")).task_id();
    const v1::LeaseResponse leased = Lease(queue);
    ASSERT_EQ(leased.tasks_size(), 1);
    EXPECT_EQ(Complete(Succeeded(leased.tasks(0), "done")).status().code(), 0);
    EXPECT_TRUE(Await(id).finished());
  }

  server::HttpPort port_{AnyPort(), "1.2.3"};
};

TEST_F(MetricsTest, WorkIsSeenInWhatIsTold) {
  for (int i = 0; i < 3; ++i) Submit(Spec("mail", "1234567890"));
  const v1::LeaseResponse leased = Lease("mail", 2);
  ASSERT_EQ(leased.tasks_size(), 2);
  Complete(Succeeded(leased.tasks(0), "done"));
  const Scrape scrape = Look();
  EXPECT_EQ(scrape["treadle_build_info{version=\"1.2.3\"}"], 1);
  EXPECT_EQ(scrape["treadle_ready"], 1);
  EXPECT_EQ(scrape["treadle_queue_tasks{queue=\"mail\",state=\"queued\"}"], 1);
  EXPECT_EQ(scrape["treadle_queue_tasks{queue=\"mail\",state=\"running\"}"], 1);
  EXPECT_EQ(scrape["treadle_queue_tasks{queue=\"mail\",state=\"scheduled\"}"], 0);
  EXPECT_EQ(scrape["treadle_queue_waiting_bytes{queue=\"mail\"}"], 10);
  EXPECT_EQ(scrape["treadle_tasks_submitted_total{queue=\"mail\"}"], 3);
  EXPECT_EQ(scrape["treadle_tasks_finished_total{queue=\"mail\",state=\"succeeded\"}"], 1);
  EXPECT_EQ(scrape["treadle_tasks_finished_total{queue=\"mail\",state=\"failed\"}"], 0);
  EXPECT_EQ(scrape["treadle_task_queueing_seconds_count{queue=\"mail\"}"], 2);
  EXPECT_EQ(scrape["treadle_task_running_seconds_bucket{queue=\"mail\",le=\"+Inf\"}"], 1);
  EXPECT_EQ(scrape["treadle_unfinished_tasks"], 2);
  EXPECT_EQ(scrape["treadle_queues"], 1);
  for (const std::string state : {"connected", "draining", "quarantined", "away"}) {
    EXPECT_EQ(scrape["treadle_workers{state=\"" + state + "\"}"], 0);
  }
  EXPECT_EQ(scrape["treadle_rpc_connections"], 1);
  EXPECT_GE(scrape["treadle_turn_requests_count"], 5);  // submits, a lease, a report
  EXPECT_GE(scrape["treadle_turn_batch_bytes_sum"], 30);
  EXPECT_GE(scrape["treadle_rows_changed_total"], 5);
  EXPECT_GT(scrape["process_resident_memory_bytes"], 1'000'000);
  EXPECT_GT(scrape["process_start_time_seconds"], 1.5e9);
  EXPECT_GE(scrape["process_open_fds"], 3);
  EXPECT_THAT(scrape.values, Not(Contains(Key(HasSubstr("(others)")))));
}

TEST_F(MetricsTest, WhatFailedAndIsKeptIsCounted) {
  Submit(Spec("mail", "1234567890"));
  v1::AttemptReport failed;
  failed.set_token(Lease("mail").tasks(0).token());
  failed.set_end(v1::ATTEMPT_END_FAILED);
  failed.mutable_error()->set_type("Oops");
  failed.mutable_error()->set_permanent(true);
  Complete(failed);
  const Scrape scrape = Look();
  EXPECT_EQ(scrape["treadle_tasks_finished_total{queue=\"mail\",state=\"failed\"}"], 1);
  EXPECT_EQ(scrape["treadle_queue_dead_letters{queue=\"mail\"}"], 1);
  EXPECT_GT(scrape["treadle_queue_dead_letter_bytes{queue=\"mail\"}"], 200);
}

TEST_F(MetricsTest, CallsThatAreOpenAreCounted) {
  const std::string id = Submit(Spec("mail")).task_id();
  Context context;
  grpc::CompletionQueue done;
  v1::AwaitTaskRequest request;
  request.set_task_id(id);
  request.set_timeout_ms(60'000);
  const auto call = tasks->AsyncAwaitTask(&context, request, &done);
  v1::AwaitTaskResponse response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  Eventually([&] { return Look()["treadle_awaited_tasks"] == 1; });
  EXPECT_EQ(Look()["treadle_rpc_calls"], 1);
  context.TryCancel();
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(done.Next(&tag, &ok));
  Eventually([&] { return Look()["treadle_rpc_calls"] == 0; });
}

// Whoever adds a metric, or takes one away, says so above.
class DiskMetricsTest : public MetricsTest {
 protected:
  DiskMetricsTest() : MetricsTest(OnDisk()) {}
  static LocalServerOptions OnDisk() {
    static TemporaryFolder folder;
    LocalServerOptions options;
    options.data_directory = absl::StrCat(folder.path(), "/data");
    return options;
  }
};

TEST_F(DiskMetricsTest, NamesAndTypesAreThese) {
  Run("mail");
  const Scrape scrape = Look();
  std::vector<std::string> told;
  for (const auto& [name, type] : scrape.types) told.push_back(absl::StrCat(name, " ", type));
  EXPECT_THAT(told, ElementsAreArray(kTold));
  EXPECT_GE(scrape["treadle_sync_seconds_count"], 2);  // of the submit, and of the outcome
  EXPECT_GT(scrape["treadle_store_log_bytes"], 0);
  EXPECT_GT(scrape["treadle_store_disk_free_bytes"], 0);
  EXPECT_GE(scrape["treadle_store_disk_free_bytes"], scrape["treadle_store_free_bytes"]);
  EXPECT_EQ(scrape["treadle_store_hung_seconds"], 0);
}

class FewCounted : public MetricsTest {
 protected:
  FewCounted() : MetricsTest(Options()) {}
  static LocalServerOptions Options() {
    LocalServerOptions options;
    options.broker.engine.counted_queues_max = 2;
    return options;
  }
};

TEST_F(FewCounted, QueuesBeyondTheBoundAreToldTogether) {
  for (const char* const queue : {"a", "b", "c", "d"}) Run(queue);
  Submit(Spec("d"));
  const Scrape scrape = Look();
  EXPECT_EQ(scrape["treadle_tasks_submitted_total{queue=\"a\"}"], 1);
  EXPECT_EQ(scrape["treadle_tasks_submitted_total{queue=\"(others)\"}"], 3);
  EXPECT_EQ(scrape["treadle_queue_tasks{queue=\"(others)\",state=\"queued\"}"], 1);
  EXPECT_EQ(scrape["treadle_task_running_seconds_count{queue=\"(others)\"}"], 2);
  EXPECT_EQ(scrape["treadle_other_queues"], 2);
  EXPECT_EQ(scrape["treadle_queues"], 4);
  EXPECT_THAT(scrape.values, Not(Contains(Key(HasSubstr("queue=\"c\"")))));
}

TEST_F(MetricsTest, ANameThatNeedsEscapesIsEscaped) {
  Submit(Spec("say \"hello\" \\ to ünicode"));
  EXPECT_EQ(Look()["treadle_tasks_submitted_total{queue=\"say \\\"hello\\\" \\\\ to ünicode\"}"],
            1);
}

TEST_F(MetricsTest, WhoAsksForItGetsItCompressed) {
  httplib::Client client("127.0.0.1", port_.port());
  const httplib::Result got = client.Get("/metrics", {{"Accept-Encoding", "gzip"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(got->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(Scrape(got->body)["treadle_ready"], 1);  // the client has unpacked it
}

TEST_F(MetricsTest, HealthFollowsTheServersLife) {
  EXPECT_EQ(Get("/healthz")->status, 200);
  EXPECT_EQ(Get("/readyz")->body, "ready\n");
  port_.Stops();
  EXPECT_EQ(Get("/healthz")->status, 200);
  EXPECT_EQ(Get("/readyz")->status, 503);
  const Scrape scrape = Look();
  EXPECT_EQ(scrape["treadle_ready"], 0);
  EXPECT_THAT(scrape.types, Not(Contains(Key("treadle_queue_tasks"))));
}

TEST(HttpPort, AServerThatReadsItsStoreTellsOfItselfOnly) {
  server::HttpPort port(AnyPort(), "1.2.3");
  ASSERT_TRUE(port.Start().ok());
  httplib::Client client("127.0.0.1", port.port());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_THAT(client.Get("/readyz")->body, HasSubstr("reads its store"));
  const Scrape scrape(client.Get("/metrics")->body);
  EXPECT_EQ(scrape["treadle_ready"], 0);
  EXPECT_THAT(scrape.types,
              IsSupersetOf(std::map<std::string, std::string>{
                  {"treadle_build_info", "gauge"}, {"process_cpu_seconds_total", "counter"}}));
  EXPECT_THAT(scrape.types, Not(Contains(Key("treadle_rpc_calls"))));
}

}  // namespace
}  // namespace treadle::test
