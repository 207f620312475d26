#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "treadle/v1/queue_service.grpc.pb.h"

namespace treadle::rpc {

// Every method takes bytes: see message.h.
using RawQueueService = v1::QueueService::WithRawCallbackMethod_CreateQueue<
    v1::QueueService::WithRawCallbackMethod_GetQueue<
        v1::QueueService::WithRawCallbackMethod_ListQueues<
            v1::QueueService::WithRawCallbackMethod_UpdateQueue<
                v1::QueueService::WithRawCallbackMethod_DeleteQueue<
                    v1::QueueService::WithRawCallbackMethod_PauseQueue<
                        v1::QueueService::WithRawCallbackMethod_ResumeQueue<
                            v1::QueueService::WithRawCallbackMethod_PurgeQueue<
                                v1::QueueService::Service>>>>>>>>;

class QueueService final : public RawQueueService {
 public:
  explicit QueueService(Edge& edge) : edge_(edge) {}

  grpc::ServerUnaryReactor* CreateQueue(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListQueues(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* UpdateQueue(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteQueue(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PauseQueue(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ResumeQueue(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PurgeQueue(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;

 private:
  Edge& edge_;
};

}  // namespace treadle::rpc
