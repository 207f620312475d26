#include "server/bridge/bridge.h"

#include <cstdint>
#include <httplib.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/bridge/methods.h"
#include "server/service/http_port.h"
#include "tests/rpc/fixture.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kListQueues[] = "treadle.v1.QueueService/ListQueues";
constexpr char kCreateQueue[] = "treadle.v1.QueueService/CreateQueue";
constexpr char kAwaitTask[] = "treadle.v1.TaskService/AwaitTask";

http::Options PortOptions(bool actions, int64_t connections_max) {
  http::Options options;
  options.listen = "127.0.0.1:0";
  options.dashboard_actions = actions;
  options.connections_max = connections_max;
  return options;
}

// A server whose API is called over HTTP, on 127.0.0.1.
class BridgeTest : public RpcTest {
 protected:
  explicit BridgeTest(bool actions = true, LocalServerOptions options = {},
                      int64_t connections_max = 8)
      : RpcTest(std::move(options)),
        port_(std::make_unique<server::HttpPort>(PortOptions(actions, connections_max), "1.2.3")) {
    EXPECT_TRUE(port_->Start().ok());
    port_->Serves(server.service(), server.options(), server.store(), server.clock());
  }

  // "200 {...}", or what went wrong.
  std::string Call(const std::string& method, const std::string& json,
                   const httplib::Headers& headers = {},
                   const char* content_type = "application/json") {
    httplib::Client client("127.0.0.1", port_->port());
    client.set_read_timeout(kPatience);
    const httplib::Result got = client.Post("/" + method, headers, json, content_type);
    if (!got) return httplib::to_string(got.error());
    EXPECT_EQ(got->get_header_value("Content-Type"), "application/json");
    EXPECT_EQ(got->get_header_value("X-Content-Type-Options"), "nosniff");
    return absl::StrCat(got->status, " ", got->body);
  }
  std::string Await(const std::string& id, const std::string& timeout_ms) {
    return Call(kAwaitTask, absl::StrCat(R"({"taskId":")", id, R"(","timeoutMs":"60000"})"),
                {{"Connect-Timeout-Ms", timeout_ms}});
  }
  int Get(const std::string& path) {
    return httplib::Client("127.0.0.1", port_->port()).Get(path)->status;
  }

  std::unique_ptr<server::HttpPort> port_;
};

TEST_F(BridgeTest, WhatIsAskedIsWhatIsAskedOverGrpc) {
  EXPECT_EQ(Call(kListQueues, "{}"), "200 {}");
  EXPECT_THAT(Call(kCreateQueue, R"({"config":{"name":"mail","maxTasks":"17"}})"),
              StartsWith(R"(200 {"queue":{"config":{"name":"mail","discipline":"DISCIPLINE_FIFO",)"
                         R"("maxTasks":"17")"));
  const std::string submitted =
      Call("treadle.v1.TaskService/Submit",
           R"({"tasks":[{"queue":"mail","type":"noop","payload":"aGVsbG8="}]})");
  ASSERT_THAT(submitted, StartsWith(R"(200 {"results":[{"taskId":")"));
  const v1::LeaseResponse leased = Lease("mail");
  ASSERT_EQ(leased.tasks_size(), 1);
  EXPECT_EQ(leased.tasks(0).payload(), "hello");
  const std::string id = leased.tasks(0).task_id();
  EXPECT_THAT(submitted, HasSubstr(id));
  EXPECT_THAT(Call("treadle.v1.TaskService/GetTask", absl::StrCat(R"({"taskId":")", id, "\"}")),
              HasSubstr(R"("state":"TASK_STATE_RUNNING")"));
  EXPECT_THAT(Call(kListQueues, "{}", {{"Connect-Protocol-Version", "1"}}),
              HasSubstr(R"("running":"1")"));
}

TEST_F(BridgeTest, WhatIsWrongIsToldWithItsCode) {
  struct Case {
    std::string method;
    std::string json;
    httplib::Headers headers;
    std::string status;  // and code
    std::string sentence;
  };
  const std::vector<Case> cases = {
      {"treadle.v1.QueueService/GetQueue",
       R"({"name":"none"})",
       {},
       "404 {\"code\":\"not_found\"",
       "none"},
      {"treadle.v1.QueueService/GetQueue",
       R"({"nam":"none"})",
       {},
       "400 {\"code\":\"invalid_argument\"",
       "nam"},
      {kListQueues, "", {}, "400 {\"code\":\"invalid_argument\"", "send {}"},
      {kListQueues, R"({"pageSize":-1})", {}, "400 {\"code\":\"invalid_argument\"", "page_size"},
      {kListQueues,
       "{}",
       {{"Connect-Timeout-Ms", "soon"}},
       "400 {\"code\":\"invalid_argument\"",
       "Connect-Timeout-Ms"},
      {kListQueues,
       "{}",
       {{"Connect-Protocol-Version", "2"}},
       "400 {\"code\":\"invalid_argument\"",
       "Connect-Protocol-Version"},
      {kListQueues,
       "{}",
       {{"Content-Encoding", "gzip"}},
       "501 {\"code\":\"unimplemented\"",
       "compressed"},
      {"treadle.v1.TaskService/WatchTask",
       "{}",
       {},
       "501 {\"code\":\"unimplemented\"",
       "over gRPC"},
      {"treadle.v1.TaskService/Session", "{}", {}, "501 {\"code\":\"unimplemented\"", "over gRPC"},
      {"treadle.v1.QueueService/Nothing",
       "{}",
       {},
       "501 {\"code\":\"unimplemented\"",
       "/treadle.v1.SERVICE/METHOD"},
      {"grpc.health.v1.Health/Check",
       "{}",
       {},
       "501 {\"code\":\"unimplemented\"",
       "/treadle.v1.SERVICE/METHOD"},
      {kListQueues,
       "{}",
       {{"Host", "evil.example"}},
       "403 {\"code\":\"permission_denied\"",
       "listens on loopback"},
      {kListQueues,
       "{}",
       {{"Sec-Fetch-Site", "cross-site"}},
       "403 {\"code\":\"permission_denied\"",
       "another site"},
      {kListQueues,
       "{}",
       {{"Origin", "http://evil.example"}},
       "403 {\"code\":\"permission_denied\"",
       "evil.example"}};
  for (const Case& one : cases) {
    const std::string got = Call(one.method, one.json, one.headers);
    EXPECT_THAT(got, StartsWith(one.status)) << one.method << " " << one.json;
    EXPECT_THAT(got, HasSubstr(one.sentence)) << one.method << " " << one.json;
  }
}

// What a page of another site can have a browser send without leave.
TEST_F(BridgeTest, WhatIsNotSaidToBeJsonIsRefused) {
  for (const char* const type : {"text/plain", "application/x-www-form-urlencoded",
                                 "multipart/form-data; boundary=x", "application/proto"}) {
    const std::string got = Call(kCreateQueue, R"({"config":{"name":"mail"}})", {}, type);
    EXPECT_THAT(got, StartsWith("415 ")) << type;
    EXPECT_THAT(got, HasSubstr("Content-Type: application/json")) << type;
  }
  EXPECT_EQ(Call(kListQueues, "{}", {}, "Application/JSON; charset=utf-8"), "200 {}");
}

TEST_F(BridgeTest, ALargeRequestIsRefusedWithItsBound) {
  const std::string got = Call(kListQueues, std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(got, StartsWith("429 {\"code\":\"resource_exhausted\""));
  EXPECT_THAT(got, HasSubstr("1048577 bytes"));
  EXPECT_EQ(Call(kListQueues, "{}" + std::string((1 << 20) - 2, ' ')), "200 {}");
}

TEST_F(BridgeTest, WhoWaitsDoesSoAsLongAsHeAsksFor) {
  const std::string id = Submit(Spec("mail")).task_id();
  const std::string got = Await(id, "50");
  EXPECT_THAT(got, StartsWith("504 {\"code\":\"deadline_exceeded\""));
  EXPECT_THAT(got, HasSubstr("no answer within 50 ms"));
  std::string told;
  std::thread waits([&] { told = Await(id, "60000"); });
  const v1::LeaseResponse leased = Lease("mail");
  ASSERT_EQ(leased.tasks_size(), 1);
  Complete(Succeeded(leased.tasks(0), "done"));
  waits.join();
  EXPECT_THAT(told, StartsWith(R"(200 {"finished":true)"));
}

// Eight connections, so four calls.
TEST_F(BridgeTest, WaitingCallsLeaveThreadsToThoseWhoLook) {
  const std::string id = Submit(Spec("mail")).task_id();
  std::vector<std::string> told(4);
  std::vector<std::thread> wait;
  for (std::string& one : told) {
    wait.emplace_back([&] { one = Await(id, "60000"); });
  }
  Eventually([this] { return server.edge().Figures().calls == 4; });
  const std::string refused = Call(kListQueues, "{}");
  EXPECT_THAT(refused, StartsWith("429 {\"code\":\"resource_exhausted\""));
  EXPECT_THAT(refused, HasSubstr("--http-connections"));
  EXPECT_EQ(Get("/healthz"), 200);
  EXPECT_EQ(Get("/readyz"), 200);
  EXPECT_EQ(Get("/metrics"), 200);
  Complete(Succeeded(Lease("mail").tasks(0), "done"));
  for (std::thread& one : wait) one.join();
  for (const std::string& one : told) EXPECT_THAT(one, StartsWith("200 "));
  EXPECT_THAT(Call(kListQueues, "{}"), StartsWith("200 "));
}

TEST_F(BridgeTest, AStopRefusesCallsAndEndsThoseThatWait) {
  const std::string id = Submit(Spec("mail")).task_id();
  std::string told;
  std::thread waits([&] { told = Await(id, "60000"); });
  Eventually([this] { return server.edge().Figures().calls == 1; });
  port_->Stops();
  EXPECT_THAT(Call(kListQueues, "{}"), StartsWith("503 {\"code\":\"unavailable\""));
  port_.reset();
  waits.join();
  EXPECT_THAT(told, StartsWith("503 {\"code\":\"unavailable\""));
  EXPECT_THAT(told, HasSubstr("the broker stops"));
}

TEST_F(BridgeTest, ABrokerThatReadsItsStoreSaysSo) {
  port_ = std::make_unique<server::HttpPort>(PortOptions(/*actions=*/true, 8), "1.2.3");
  ASSERT_TRUE(port_->Start().ok());
  EXPECT_THAT(Call(kListQueues, "{}"),
              StartsWith("503 {\"code\":\"unavailable\",\"message\":\"the broker reads"));
}

class LargePayloads : public BridgeTest {
 protected:
  LargePayloads() : BridgeTest(/*actions=*/true, Options()) {}
  static LocalServerOptions Options() {
    LocalServerOptions options;
    options.rpc.payload_bytes_max = 16 << 20;
    return options;
  }
};

TEST_F(LargePayloads, ALargeAnswerIsRefusedWithItsBound) {
  const std::string id = Submit(Spec("mail", std::string(9 << 20, 'x'))).task_id();
  const std::string got =
      Call("treadle.v1.TaskService/GetPayload", absl::StrCat(R"({"taskId":")", id, "\"}"));
  EXPECT_THAT(got, StartsWith("429 {\"code\":\"resource_exhausted\""));
  EXPECT_THAT(got, HasSubstr("more than the 8388608 bytes"));
  const std::string small = Submit(Spec("mail", std::string(4 << 20, 'x'))).task_id();
  EXPECT_THAT(
      Call("treadle.v1.TaskService/GetPayload", absl::StrCat(R"({"taskId":")", small, "\"}")),
      StartsWith("200 {\"payload\":\"eHh4"));
}

class ReadOnlyTest : public BridgeTest {
 protected:
  ReadOnlyTest() : BridgeTest(/*actions=*/false) {}
};

TEST_F(ReadOnlyTest, WhatChangesSomethingIsRefusedWithTheFlagThatAllowsIt) {
  int refused = 0;
  for (const bridge::Method& method : bridge::AllMethods()) {
    const std::string name(method.name);
    const auto* const described = bridge::FindMethod(name);
    ASSERT_NE(described, nullptr) << name;
    if (described->client_streaming() || described->server_streaming()) continue;
    const std::string got = Call(name, "{}");
    if (method.effect == bridge::Effect::kReads) {
      EXPECT_THAT(got, testing::Not(StartsWith("403"))) << name;
      continue;
    }
    ++refused;
    EXPECT_THAT(got, StartsWith("403 {\"code\":\"permission_denied\"")) << name;
    EXPECT_THAT(got, HasSubstr("--dashboard-actions")) << name;
  }
  EXPECT_GE(refused, 10);
  EXPECT_THAT(Call(kCreateQueue, R"({"config":{"name":"mail"}})"), StartsWith("403"));
  EXPECT_EQ(Call(kListQueues, "{}"), "200 {}") << "and nothing was done";
}

TEST_F(ReadOnlyTest, TheDashboardIsThereAndSaysThatItOnlyShows) {
  const httplib::Result page = httplib::Client("127.0.0.1", port_->port()).Get("/queues/mail");
  ASSERT_TRUE(page);
  if (page->get_header_value("Content-Type") == "text/plain; charset=utf-8") {
    GTEST_SKIP() << "built with TREADLE_DASHBOARD=OFF";
  }
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr(R"(<meta name="treadle-actions" content="off">)"));
  EXPECT_THAT(page->body, HasSubstr(R"(<meta name="treadle-version" content="1.2.3">)"));
  const httplib::Result script =
      httplib::Client("127.0.0.1", port_->port()).Get("/app.js", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(script->status, 200);
  EXPECT_EQ(script->get_header_value("Content-Encoding"), "gzip");
}

}  // namespace
}  // namespace treadle::test
