#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "treadle/v1/admin_service.grpc.pb.h"

namespace treadle::rpc {

// Every method takes bytes: see message.h.
using RawAdminService = v1::AdminService::WithRawCallbackMethod_GetServerInfo<
    v1::AdminService::WithRawCallbackMethod_ListWorkers<v1::AdminService::Service>>;

class AdminService final : public RawAdminService {
 public:
  explicit AdminService(Edge& edge) : edge_(edge) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;

 private:
  Edge& edge_;
};

}  // namespace treadle::rpc
