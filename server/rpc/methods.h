#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "server/rpc/message.h"
#include "server/rpc/unary_call.h"

namespace treadle::rpc {

// Every method that is served, by its path ("/treadle.v1.TaskService/Submit"). Service adds them,
// before gRPC's server starts.
//
// All are streams of bytes to gRPC, unary ones, too, which nobody sees from outside: because gRPC
// 1.51 shows a unary call when its first message has come (server_cc.cc,
// PayloadHandlingForMethod), and a stream when its headers have: calls whose message never comes
// would be in gRPC's memory by the hundred thousand, and not among those that we count and bound.
class Methods final : public grpc::CallbackGenericService {
 public:
  explicit Methods(Edge& edge) : edge_(edge) {}

  // A call's headers have come. One of no method ends with UNIMPLEMENTED.
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  friend class Service;
  using Receive = std::function<grpc::ServerGenericBidiReactor*(grpc::CallbackServerContext*)>;

  Edge& edge_;
  std::unordered_map<std::string, Receive> by_path_;
};

// How much is shown of a name that is not known here.
inline constexpr size_t kShownBytes = 100;

// Adds the methods of one service to others; asserts at its end that they are all that its .proto
// file has, each of its kind.
class Service {
 public:
  // `name` as in its .proto file, with the package. From here on it is one of the edge's services.
  Service(Methods& methods, const std::string& name);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  template <typename Request>
  void Unary(const std::string& method, absl::Status (*handle)(Edge&, UnaryCall&, Request&)) {
    Add(method, /*is_stream=*/false,
        [&edge = methods_.edge_,
         method = MakeMethod(handle)](grpc::CallbackServerContext* context) {
          const auto call = std::make_shared<UnaryCall>(edge, context, method);
          call->Begin();
          return call.get();
        });
  }

  // A class with such a constructor, and Begin().
  template <typename Call>
  void Stream(const std::string& method) {
    Add(method, /*is_stream=*/true, [&edge = methods_.edge_](grpc::CallbackServerContext* context) {
      const auto stream = std::make_shared<Call>(edge, context);
      stream->Begin();
      return stream.get();
    });
  }

 private:
  template <typename Request>
  UnaryCall::Method MakeMethod(absl::Status (*handle)(Edge&, UnaryCall&, Request&)) {
    return {[&edge = methods_.edge_, handle](UnaryCall& call, const grpc::ByteBuffer& bytes) {
              Request request;
              absl::Status status = Parse(bytes, edge.message_bytes_max(), request);
              return status.ok() ? handle(edge, call, request) : status;
            },
            name_ == kHealthService};
  }
  void Add(const std::string& method, bool is_stream, Methods::Receive receive);

  Methods& methods_;
  const std::string name_;
  const google::protobuf::ServiceDescriptor& described_;
  int methods_added_ = 0;
};

}  // namespace treadle::rpc
