#pragma once

// Precompiled for our own code that speaks gRPC: what takes seconds to parse is parsed once.
#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "proto/support/pch.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"
#include "treadle/v1/worker_service.grpc.pb.h"
