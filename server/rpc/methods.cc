#include "server/rpc/methods.h"

#include "absl/strings/str_cat.h"
#include <google/protobuf/descriptor.h>

#include "proto/support/assert.h"
#include "proto/support/utf8.h"

namespace treadle::rpc {
namespace {

// Of a path that is not ours.
constexpr size_t kShownPathBytes = 100;

}  // namespace

grpc::ServerGenericBidiReactor* Methods::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const auto found = by_path_.find(context->method());
  if (found != by_path_.end()) return found->second(context);
  static const UnaryCall::Method kNone;
  const auto call = std::make_shared<UnaryCall>(edge_, context, kNone);
  call->Begin(absl::UnimplementedError(
      absl::StrCat("there is no method '", CutMiddle(context->method(), kShownPathBytes),
                   "' here; server reflection lists those that there are")));
  return call.get();
}

void Service::Add(const std::string& method, Methods::Receive receive) {
  const auto added =
      methods_.by_path_.emplace(absl::StrCat("/", name_, "/", method), std::move(receive));
  TREADLE_ASSERT(added.second);
}

Service::~Service() {
  const google::protobuf::ServiceDescriptor* described =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name_);
  TREADLE_ASSERT(described != nullptr);
  for (int i = 0; i < described->method_count(); ++i) {
    TREADLE_ASSERT(
        methods_.by_path_.count(absl::StrCat("/", name_, "/", described->method(i)->name())) == 1);
  }
  methods_.edge_.services.push_back(name_);
}

}  // namespace treadle::rpc
