#pragma once

#include <memory>

#include "client/leases/held_leases.h"
#include "client/session/session.h"
#include "client/session/watches.h"
#include <grpcpp/grpcpp.h>

#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/dead_letter_service.grpc.pb.h"
#include "treadle/v1/job_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle {

struct Client::Impl {
  Impl(ClientOptions options_in, std::shared_ptr<grpc::Channel> channel_in);

  const ClientOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::TaskService::Stub> tasks;
  const std::unique_ptr<v1::QueueService::Stub> queues;
  const std::unique_ptr<v1::DeadLetterService::Stub> dead_letters;
  const std::unique_ptr<v1::JobService::Stub> jobs;
  const std::unique_ptr<v1::AdminService::Stub> admin;
  client::Watches watches;
  client::HeldLeases leases;
  client::Session session;
};

}  // namespace treadle
