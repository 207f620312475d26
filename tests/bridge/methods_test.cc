#include "server/bridge/methods.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/dead_letter_service.pb.h"
#include "treadle/v1/job_service.pb.h"
#include "treadle/v1/queue_service.pb.h"
#include "treadle/v1/task_service.pb.h"
#include "treadle/v1/worker_service.pb.h"

namespace treadle::bridge {
namespace {

using google::protobuf::FileDescriptor;

// Whoever adds a method to the API says in server/bridge/methods.cc what it does.
TEST(Methods, EachMethodOfTheApiIsListed) {
  std::set<std::string> listed;
  for (const Method& method : AllMethods()) listed.emplace(method.name);
  std::set<std::string> there;
  const std::set<const FileDescriptor*> files = {
      v1::GetServerInfoRequest::descriptor()->file(),   v1::ListQueuesRequest::descriptor()->file(),
      v1::GetTaskRequest::descriptor()->file(),         v1::LeaseRequest::descriptor()->file(),
      v1::ListDeadLettersRequest::descriptor()->file(), v1::ListJobsRequest::descriptor()->file()};
  for (const FileDescriptor* const file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        there.insert(
            absl::StrCat(file->service(s)->full_name(), "/", file->service(s)->method(m)->name()));
      }
    }
  }
  EXPECT_EQ(listed, there);
}

TEST(Methods, OnlyWhatIsListedAsReadingReads) {
  EXPECT_EQ(EffectOf("treadle.v1.QueueService/ListQueues"), Effect::kReads);
  EXPECT_EQ(EffectOf("treadle.v1.QueueService/PurgeQueue"), Effect::kChanges);
  EXPECT_EQ(EffectOf("treadle.v1.QueueService/ForgetQueue"), Effect::kChanges);
  EXPECT_EQ(EffectOf(""), Effect::kChanges);
  // What a name says is what it does.
  for (const Method& method : AllMethods()) {
    const std::string name(method.name.substr(method.name.find('/') + 1));
    if (name.starts_with("Get") || name.starts_with("List") || name.starts_with("Explain") ||
        name.starts_with("Read")) {
      EXPECT_EQ(method.effect, Effect::kReads) << method.name;
    }
    if (method.effect == Effect::kReads) {
      EXPECT_TRUE(name.starts_with("Get") || name.starts_with("List") ||
                  name.starts_with("Explain") || name.starts_with("Read") || name == "AwaitTask" ||
                  name == "WatchTask")
          << method.name;
    }
  }
}

TEST(Methods, AMethodIsFoundByItsWholeName) {
  ASSERT_NE(FindMethod("treadle.v1.QueueService/ListQueues"), nullptr);
  EXPECT_EQ(FindMethod("treadle.v1.QueueService/ListQueues")->name(), "ListQueues");
  for (const char* const name :
       {"", "/", "treadle.v1.QueueService", "treadle.v1.QueueService/", "ListQueues",
        "treadle.v1.QueueService.ListQueues", "treadle.v1.QueueService/ListQueues/",
        "treadle.v1.queueservice/listqueues", "grpc.health.v1.Health/Check"}) {
    EXPECT_EQ(FindMethod(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace treadle::bridge
