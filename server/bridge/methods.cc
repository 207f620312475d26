#include "server/bridge/methods.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace treadle::bridge {
namespace {

using enum Effect;

constexpr std::array kMethods = {
    Method{"treadle.v1.AdminService/DrainWorkers", kChanges},
    Method{"treadle.v1.AdminService/GetCharts", kReads},
    Method{"treadle.v1.AdminService/GetDrain", kReads},
    Method{"treadle.v1.AdminService/GetServerInfo", kReads},
    Method{"treadle.v1.AdminService/ListActions", kReads},
    Method{"treadle.v1.AdminService/ListDrains", kReads},
    Method{"treadle.v1.AdminService/ListWorkers", kReads},
    Method{"treadle.v1.AdminService/ReleaseWorker", kChanges},
    Method{"treadle.v1.AdminService/RemoveDrain", kChanges},
    Method{"treadle.v1.DeadLetterService/DeleteDeadLetters", kChanges},
    Method{"treadle.v1.DeadLetterService/GetDeadLetter", kReads},
    Method{"treadle.v1.DeadLetterService/ListDeadLetterGroups", kReads},
    Method{"treadle.v1.DeadLetterService/ListDeadLetters", kReads},
    Method{"treadle.v1.DeadLetterService/RedriveDeadLetters", kChanges},
    Method{"treadle.v1.JobService/CancelJob", kChanges},
    Method{"treadle.v1.JobService/GetJob", kReads},
    Method{"treadle.v1.JobService/ListJobs", kReads},
    Method{"treadle.v1.JobService/StartJob", kChanges},
    Method{"treadle.v1.QueueService/CreateQueue", kChanges},
    Method{"treadle.v1.QueueService/DeleteQueue", kChanges},
    Method{"treadle.v1.QueueService/GetQueue", kReads},
    Method{"treadle.v1.QueueService/ListQueues", kReads},
    Method{"treadle.v1.QueueService/PauseQueue", kChanges},
    Method{"treadle.v1.QueueService/PurgeQueue", kChanges},
    Method{"treadle.v1.QueueService/ResumeQueue", kChanges},
    Method{"treadle.v1.QueueService/UpdateQueue", kChanges},
    Method{"treadle.v1.TaskService/AwaitTask", kReads},
    Method{"treadle.v1.TaskService/CancelTask", kChanges},
    Method{"treadle.v1.TaskService/ExplainSubmit", kReads},
    Method{"treadle.v1.TaskService/ExplainTask", kReads},
    Method{"treadle.v1.TaskService/GetPayload", kReads},
    Method{"treadle.v1.TaskService/GetTask", kReads},
    Method{"treadle.v1.TaskService/ListTasks", kReads},
    Method{"treadle.v1.TaskService/ReadOutput", kReads},
    Method{"treadle.v1.TaskService/Session", kChanges},
    Method{"treadle.v1.TaskService/Submit", kChanges},
    Method{"treadle.v1.TaskService/SubmitRun", kChanges},
    Method{"treadle.v1.TaskService/WatchTask", kReads},
    Method{"treadle.v1.WorkerService/AppendOutput", kChanges},
    Method{"treadle.v1.WorkerService/Attach", kChanges},
    Method{"treadle.v1.WorkerService/Complete", kChanges},
    Method{"treadle.v1.WorkerService/Extend", kChanges},
    Method{"treadle.v1.WorkerService/Lease", kChanges},
};

constexpr auto kNameOf = [](const Method& method) { return method.name; };
static_assert(std::ranges::is_sorted(kMethods, {}, kNameOf), "by name");

}  // namespace

absl::Span<const Method> AllMethods() { return kMethods; }

Effect EffectOf(std::string_view name) {
  const auto* const found = std::ranges::lower_bound(kMethods, name, {}, kNameOf);
  return found != kMethods.end() && found->name == name ? found->effect : kChanges;
}

const google::protobuf::MethodDescriptor* FindMethod(const std::string& name) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('/', 1));
  if (!absl::StartsWith(parts.first, "treadle.v1.")) return nullptr;
  const google::protobuf::ServiceDescriptor* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(parts.first);
  return service == nullptr ? nullptr : service->FindMethodByName(parts.second);
}

}  // namespace treadle::bridge
