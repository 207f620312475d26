#pragma once

// All that a program which submits work needs:
//
//   inline constexpr treadle::TaskType<int64_t(int64_t)> kSumSquares{"sum_squares"};
//
//   absl::StatusOr<treadle::ClientPtr> client = treadle::Client::Connect();
//   if (!client.ok()) ...
//   treadle::Executor executor(*client, "cpu");
//   treadle::Future<int64_t> sum = executor.Submit(kSumSquares, 10'000'000);
//   absl::StatusOr<int64_t> result = sum.Result();
#include "treadle/client.h"
#include "treadle/codec.h"
#include "treadle/executor.h"
#include "treadle/future.h"
#include "treadle/lock.h"
#include "treadle/map_results.h"
#include "treadle/named_error.h"
#include "treadle/output.h"
#include "treadle/pool.h"
#include "treadle/process.h"
#include "treadle/queue.h"
#include "treadle/submit_options.h"
#include "treadle/task_error.h"
#include "treadle/task_type.h"
#include "treadle/wait.h"
