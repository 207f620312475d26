#include "server/http/pages.h"

#include <array>
#include <httplib.h>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/server.h"

namespace treadle::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kIndex[] = R"(<meta name="treadle-actions" content="off">)"
                          R"(<meta name="treadle-version" content="">)";
// Not what gzip makes, so that it shows when somebody unpacks or packs it.
constexpr std::array<PageFile, 2> kFiles = {{{"index.html", kIndex}, {"app.js.gz", "packed"}}};

class PagesTest : public ::testing::Test {
 protected:
  void Start(absl::Span<const PageFile> files = kFiles, bool actions = false) {
    Options options;
    options.listen = "127.0.0.1:0";
    server_ = std::make_unique<Server>(options);
    pages_ = std::make_unique<Pages>(files, Pages::Told{.version = "1.2.3", .actions = actions});
    server_->Get("/metrics", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("metrics\n", "text/plain");
    });
    pages_->ServeOn(*server_);
    ASSERT_TRUE(server_->Start().ok());
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_->port());
    client_->set_decompress(false);
  }
  ~PagesTest() override { server_->Stop(); }

  httplib::Result Get(const std::string& path,
                      const httplib::Headers& headers = {{"Accept-Encoding", "gzip"}}) {
    httplib::Result got = client_->Get(path, headers);
    EXPECT_TRUE(got) << httplib::to_string(got.error());
    return got;
  }

  std::unique_ptr<Pages> pages_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(PagesTest, EachPageIsTheIndexAndOtherPathsAreNot) {
  Start();
  for (const char* const path : {"/", "/queues", "/queues/a.b", "/queues/a%20b", "/tasks",
                                 "/tasks/1-2", "/dead", "/workers/w1", "/system"}) {
    const httplib::Result got = Get(path);
    EXPECT_EQ(got->status, 200) << path;
    EXPECT_EQ(got->get_header_value("Content-Type"), "text/html; charset=utf-8") << path;
    EXPECT_EQ(got->body, R"(<meta name="treadle-actions" content="off">)"
                         R"(<meta name="treadle-version" content="1.2.3">)");
  }
  for (const char* const path : {"/favicon.ico", "/metric", "/app.js.gz", "/queuesx", "//queues",
                                 "/treadle.v1.QueueService/ListQueues"}) {
    EXPECT_EQ(Get(path)->status, 404) << path;
  }
  EXPECT_THAT(Get("/treadle.v1.QueueService/ListQueues", {})->body, HasSubstr("POST"));
  EXPECT_EQ(Get("/metrics", {})->body, "metrics\n");
}

TEST_F(PagesTest, TheIndexSaysWhetherThereAreActions) {
  Start(kFiles, /*actions=*/true);
  EXPECT_THAT(Get("/")->body, HasSubstr(R"(name="treadle-actions" content="on")"));
}

TEST_F(PagesTest, WhatIsPackedIsSentAsItIsToThoseWhoTakeIt) {
  Start();
  const httplib::Result got = Get("/app.js");
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "packed");
  EXPECT_EQ(got->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(got->get_header_value("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(got->get_header_value("Vary"), "Accept-Encoding");
  const httplib::Result plain = Get("/app.js", {{"Accept-Encoding", "identity"}});
  EXPECT_EQ(plain->status, 406);
  EXPECT_THAT(plain->body, HasSubstr("--compressed"));
  EXPECT_EQ(Get("/", {{"Accept-Encoding", "identity"}})->status, 200);
}

TEST_F(PagesTest, WhatABrowserHasIsNotSentAgainUntilItIsAnother) {
  Start();
  const std::string etag = Get("/app.js")->get_header_value("ETag");
  EXPECT_EQ(etag.size(), 18U) << etag;
  EXPECT_NE(etag, Get("/")->get_header_value("ETag"));
  for (const std::string& known : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    const httplib::Result again =
        Get("/app.js", {{"Accept-Encoding", "gzip"}, {"If-None-Match", known}});
    EXPECT_EQ(again->status, 304) << known;
    EXPECT_EQ(again->body, "");
    EXPECT_EQ(again->get_header_value("ETag"), etag);
  }
  const httplib::Result other =
      Get("/app.js", {{"Accept-Encoding", "gzip"}, {"If-None-Match", "\"other\""}});
  EXPECT_EQ(other->status, 200);
  EXPECT_EQ(other->get_header_value("Cache-Control"), "no-cache");
}

// A page that runs nobody else's script, asks nobody else, and is shown in nobody else's frame.
TEST_F(PagesTest, TheBrowserIsToldToTrustNobodyElse) {
  Start();
  for (const char* const path : {"/", "/app.js", "/workers"}) {
    const httplib::Result got = Get(path);
    const std::string policy = got->get_header_value("Content-Security-Policy");
    EXPECT_THAT(policy, AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self';"),
                              HasSubstr("frame-ancestors 'none'"), HasSubstr("base-uri 'none'"),
                              HasSubstr("form-action 'none'"), Not(HasSubstr("unsafe"))));
    EXPECT_EQ(got->get_header_value("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(got->get_header_value("Referrer-Policy"), "no-referrer");
  }
}

TEST_F(PagesTest, HeadHasTheHeadersAlone) {
  Start();
  const httplib::Result got = client_->Head("/app.js", {{"Accept-Encoding", "gzip"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->get_header_value("Content-Length"), "6");
  EXPECT_EQ(got->body, "");
}

TEST_F(PagesTest, WithoutADashboardTheRootSaysWhatThereIs) {
  Start({});
  EXPECT_EQ(Get("/", {})->status, 200);
  EXPECT_THAT(Get("/", {})->body, AllOf(HasSubstr("without its dashboard"), HasSubstr("/metrics")));
  EXPECT_EQ(Get("/queues", {})->status, 404);
}

}  // namespace
}  // namespace treadle::http
