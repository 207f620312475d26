#include "server/bridge/connect_protocol.h"

#include <httplib.h>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "treadle/v1/queue_service.pb.h"

namespace treadle::bridge {
namespace {

using ::testing::HasSubstr;

const google::protobuf::Descriptor& Config() { return *v1::QueueConfig::descriptor(); }

std::string ErrorOf(const std::string& json) {
  const absl::StatusOr<std::string> read = FromJson(Config(), json);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(read.status().message());
}

TEST(ConnectProtocol, JsonIsTheProtosOwn) {
  v1::QueueConfig config;
  config.set_name("mail");
  config.set_discipline(v1::DISCIPLINE_PRIORITY);
  config.set_max_tasks(int64_t{1} << 60);
  const std::string json =
      R"({"name":"mail","discipline":"DISCIPLINE_PRIORITY","maxTasks":"1152921504606846976"})";
  EXPECT_EQ(*ToJson(Config(), config.SerializeAsString()), json);
  EXPECT_EQ(*FromJson(Config(), json), config.SerializeAsString());
  EXPECT_EQ(*ToJson(Config(), ""), "{}");
  // What is lenient in it is the standard's: names as in the .proto file, numbers as numbers.
  EXPECT_EQ(
      *FromJson(Config(), R"({"name":"mail","discipline":3,"max_tasks":1152921504606846976})"),
      config.SerializeAsString());
}

TEST(ConnectProtocol, WhatIsWrongInTheJsonIsNamed) {
  EXPECT_THAT(ErrorOf(R"({"nam":"mail"})"), HasSubstr("nam"));
  EXPECT_THAT(ErrorOf(R"({"deadLetters":{"maxTask":"1"}})"), HasSubstr("maxTask"));
  EXPECT_THAT(ErrorOf(R"({"maxTasks":"many"})"), HasSubstr("many"));
  EXPECT_THAT(ErrorOf(R"({"discipline":"SOME"})"), HasSubstr("SOME"));
  EXPECT_THAT(ErrorOf(R"({"name":)"), HasSubstr("treadle.v1.QueueConfig"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("treadle.v1.QueueConfig"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("send {}"));
  EXPECT_THAT(ErrorOf(" \n"), HasSubstr("send {}"));
  EXPECT_FALSE(ErrorOf("{\"name\":\"\xff\"}").empty());
  EXPECT_FALSE(ErrorOf(R"({"deadLetters":)" + std::string(100'000, '[')).empty());
  EXPECT_FALSE(ErrorOf(std::string(100'000, '[')).empty());
}

TEST(ConnectProtocol, TimeoutsAreBounded) {
  const auto timeout = [](const std::string& text) {
    httplib::Request request;
    request.headers.emplace("Connect-Timeout-Ms", text);
    return TimeoutMs(request);
  };
  EXPECT_EQ(*TimeoutMs({}), 10'000);
  EXPECT_EQ(*timeout("1"), 1);
  EXPECT_EQ(*timeout("60001"), 60'000);
  EXPECT_EQ(*timeout("9999999999"), 60'000);
  for (const char* const text : {"", "0", "-1", "1.5", "soon", "10000000000"}) {
    EXPECT_EQ(timeout(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ConnectProtocol, AnErrorHasItsCodesNameAndHttpStatus) {
  const auto write = [](const absl::Status& status) {
    httplib::Response response;
    WriteError(status, response);
    std::string body;
    httplib::DataSink sink;
    sink.write = [&](const char* data, size_t size) {
      body.append(data, size);
      return true;
    };
    response.content_provider_(0, response.content_length_, sink);
    return std::to_string(response.status) + " " + body;
  };
  EXPECT_EQ(write(absl::NotFoundError("no queue 'a\"b'")),
            R"(404 {"code":"not_found","message":"no queue 'a\"b'"})");
  EXPECT_EQ(write(absl::InvalidArgumentError("x")),
            R"(400 {"code":"invalid_argument","message":"x"})");
  EXPECT_EQ(write(absl::CancelledError("x")), R"(499 {"code":"canceled","message":"x"})");
  EXPECT_EQ(write(absl::UnauthenticatedError("x")),
            R"(401 {"code":"unauthenticated","message":"x"})");
  EXPECT_EQ(write(absl::FailedPreconditionError("x")),
            R"(400 {"code":"failed_precondition","message":"x"})");
}

}  // namespace
}  // namespace treadle::bridge
