#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "proto/support/task_id.h"
#include "treadle/v1/task_service.pb.h"
#include "treadle/v1/worker_service.pb.h"

// What README.md beside this says of the vectors, as the C++ code sees it.

namespace treadle::test {
namespace {

using google::protobuf::Message;

nlohmann::json Read(const std::string& name) {
  std::ifstream file(std::string(TREADLE_VECTORS) + "/" + name);
  return nlohmann::json::parse(file);
}

// Null: the vectors name a message that this test does not know.
std::unique_ptr<Message> NewMessage(const std::string& type) {
  const Message* const known[] = {
      &v1::SessionRequest::default_instance(), &v1::SessionResponse::default_instance(),
      &v1::AttachRequest::default_instance(), &v1::AttachResponse::default_instance()};
  for (const Message* const message : known) {
    if (message->GetDescriptor()->name() == type) return std::unique_ptr<Message>(message->New());
  }
  return nullptr;
}

TEST(Vectors, IdsHaveOneText) {
  for (const nlohmann::json& vector : Read("ids.json")) {
    const TaskId id{std::stoull(vector.at("session").get<std::string>()),
                    std::stoull(vector.at("sequence").get<std::string>())};
    const auto text = vector.at("text").get<std::string>();
    EXPECT_EQ(id.ToString(), text);
    EXPECT_EQ(TaskId::Parse(text).value(), id);
  }
}

// Fields that were given another number, or another meaning, would be read as others here.
TEST(Vectors, MessagesAreWhatTheirBytesSay) {
  int messages = 0;
  for (const nlohmann::json& vector : Read("messages.json")) {
    SCOPED_TRACE(vector.at("name").get<std::string>());
    const auto type = vector.at("type").get<std::string>();
    const std::unique_ptr<Message> read = NewMessage(type);
    ASSERT_NE(read, nullptr) << type;
    std::string bytes;
    ASSERT_TRUE(absl::Base64Unescape(vector.at("bytes").get<std::string>(), &bytes));
    ASSERT_TRUE(read->ParseFromString(bytes));
    const std::unique_ptr<Message> expected = NewMessage(type);
    const auto status =
        google::protobuf::util::JsonStringToMessage(vector.at("message").dump(), expected.get());
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*read, *expected))
        << read->DebugString();
    ++messages;
  }
  EXPECT_GT(messages, 0);
}

}  // namespace
}  // namespace treadle::test
