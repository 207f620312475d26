#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle::rpc {

// Every method takes bytes: see message.h.
using RawTaskService = v1::TaskService::WithRawCallbackMethod_Submit<
    v1::TaskService::WithRawCallbackMethod_Session<v1::TaskService::WithRawCallbackMethod_GetTask<
        v1::TaskService::WithRawCallbackMethod_AwaitTask<
            v1::TaskService::WithRawCallbackMethod_WatchTask<
                v1::TaskService::WithRawCallbackMethod_CancelTask<
                    v1::TaskService::WithRawCallbackMethod_ListTasks<
                        v1::TaskService::Service>>>>>>>;

class TaskService final : public RawTaskService {
 public:
  explicit TaskService(Edge& edge) : edge_(edge) {}

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* AwaitTask(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchTask(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* CancelTask(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;

 private:
  Edge& edge_;
};

}  // namespace treadle::rpc
