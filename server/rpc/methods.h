#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
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

// Adds the methods of one service to others; asserts at its end that they are all that its .proto
// file has.
class Service {
 public:
  // `name` as in its .proto file, with the package.
  Service(Methods& methods, const std::string& name) : methods_(methods), name_(name) {}
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  template <typename Request>
  void Unary(const std::string& method, absl::Status (*handle)(Edge&, UnaryCall&, Request&)) {
    Add(method, [&edge = methods_.edge_,
                 method = MakeMethod(handle)](grpc::CallbackServerContext* context) {
      const auto call = std::make_shared<UnaryCall>(edge, context, method);
      call->Begin();
      return call.get();
    });
  }

  // A class with such a constructor, and Begin().
  template <typename Call>
  void Stream(const std::string& method) {
    Add(method, [&edge = methods_.edge_](grpc::CallbackServerContext* context) {
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
  void Add(const std::string& method, Methods::Receive receive);

  Methods& methods_;
  const std::string name_;
};

}  // namespace treadle::rpc
