#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::rpc {

// Every method takes bytes: see message.h.
using RawWorkerService =
    v1::WorkerService::WithRawCallbackMethod_Attach<v1::WorkerService::WithRawCallbackMethod_Lease<
        v1::WorkerService::WithRawCallbackMethod_Complete<
            v1::WorkerService::WithRawCallbackMethod_Extend<v1::WorkerService::Service>>>>;

class WorkerService final : public RawWorkerService {
 public:
  explicit WorkerService(Edge& edge) : edge_(edge) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Attach(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Lease(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Complete(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Extend(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;

 private:
  Edge& edge_;
};

}  // namespace treadle::rpc
