#include "server/rpc/methods.h"

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "proto/support/utf8.h"

namespace treadle::rpc {
namespace {

const google::protobuf::ServiceDescriptor& Describe(const std::string& service) {
  const google::protobuf::ServiceDescriptor* described =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  TREADLE_ASSERT(described != nullptr);
  return *described;
}

}  // namespace

grpc::ServerGenericBidiReactor* Methods::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const auto found = by_path_.find(context->method());
  if (found != by_path_.end()) return found->second(context);
  static const UnaryCall::Method kNone;
  const auto call = std::make_shared<UnaryCall>(edge_, context, kNone);
  call->Begin(absl::UnimplementedError(
      absl::StrCat("there is no method '", CutMiddle(context->method(), kShownBytes),
                   "' here; server reflection lists those that there are")));
  return call.get();
}

Service::Service(Methods& methods, const std::string& name)
    : methods_(methods), name_(name), described_(Describe(name)) {
  methods_.edge_.services.push_back(name_);
}

void Service::Add(const std::string& method, bool is_stream, Methods::Receive receive) {
  const google::protobuf::MethodDescriptor* described = described_.FindMethodByName(method);
  TREADLE_ASSERT(described != nullptr);
  TREADLE_ASSERT(is_stream == (described->client_streaming() || described->server_streaming()));
  const auto added =
      methods_.by_path_.emplace(absl::StrCat("/", name_, "/", method), std::move(receive));
  TREADLE_ASSERT(added.second);
  ++methods_added_;
}

Service::~Service() { TREADLE_ASSERT(methods_added_ == described_.method_count()); }

}  // namespace treadle::rpc
