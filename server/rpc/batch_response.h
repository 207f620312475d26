#pragma once

#include <cstddef>

#include "server/rpc/unary_call.h"

namespace treadle::rpc {

// A batch's response as it fills: one result for each item, some of which wait for the broker.
template <typename Response>
struct BatchResponse {
  Response response;
  size_t unanswered = 0;

  // So many more results are there. The last one sends the response.
  void Answered(UnaryCall& call, size_t results = 1) {
    unanswered -= results;
    if (unanswered > 0) return;
    call.Unpark();
    call.Reply(response);
  }
};

}  // namespace treadle::rpc
