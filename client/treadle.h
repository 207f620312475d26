#pragma once

// All that a program which submits work needs:
//
//   inline constexpr treadle::TaskType<int64_t(int64_t)> kSumSquares{"sum_squares"};
//
//   absl::StatusOr<std::unique_ptr<treadle::Client>> client = treadle::Client::Connect();
//   if (!client.ok()) ...
//   treadle::Executor executor(**client, treadle::ExecutorOptions("cpu"));
//   treadle::Future<int64_t> sum = executor.Submit(kSumSquares, 10'000'000);
//   absl::StatusOr<int64_t> result = sum.Result();
#include "client/client.h"
#include "client/codec.h"
#include "client/executor.h"
#include "client/future.h"
#include "client/lock.h"
#include "client/map_results.h"
#include "client/named_error.h"
#include "client/pool.h"
#include "client/process.h"
#include "client/queue.h"
#include "client/submit_options.h"
#include "client/task_error.h"
#include "client/task_type.h"
#include "client/wait.h"
