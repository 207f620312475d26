#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/session/watches.h"
#include <grpcpp/grpcpp.h>

#include "proto/wire/status.h"
#include "treadle/timeout.h"

namespace treadle::client {

// A unary call that whoever ends `calls` ends, too: CANCELLED then. Otherwise the broker's answer,
// within the timeout.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> WatchedCall(Watches& calls, Timeout timeout, Stub& stub,
                                     grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                  const Request&, Response*),
                                     const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(CallDeadline(timeout));
  const Watches::Call call(calls, context);
  if (!call.begun()) return absl::CancelledError("nobody waits for the answer any more");
  Response response;
  absl::Status status = wire::FromGrpc((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

}  // namespace treadle::client
