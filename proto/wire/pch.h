#pragma once

// Precompiled for our own code that speaks gRPC: what takes seconds to parse is parsed once.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"
#include "treadle/v1/worker_service.grpc.pb.h"
