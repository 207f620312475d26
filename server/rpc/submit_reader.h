#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "server/broker/delivery.h"
#include "server/engine/command.h"
#include "server/engine/types.h"
#include "server/rpc/validate.h"
#include "treadle/v1/task.pb.h"

namespace treadle::rpc {

// Turns tasks into what the engine takes, checked and with the defaults filled in: what tasks have
// in common is read once. Remembers the last retry policy, because most tasks of a program share
// one. Not thread-safe.
class SubmitReader {
 public:
  explicit SubmitReader(const Bounds& bounds) : bounds_(bounds) {}

  // Tasks that have no trace context of their own get this one. What is not valid is ignored.
  void Trace(std::string_view traceparent, std::string_view tracestate);
  // The next tasks are like this one in all but payload and request key, which are not looked at.
  // Takes its texts. `wall_ms`: what the wall clock shows.
  void Begin(v1::TaskSpec& common, int64_t wall_ms);
  // The next task. Its payload is in `body`, which is null when there is nothing to say. Computes
  // the digest when there is a request key. With a refusal nothing else is set.
  engine::Submit Next(std::string payload, std::string request_key, broker::BodyPtr& body);
  // The next ones, none of which has a request key, as one run. REQUIRES: as many bytes as the
  // sizes say, of at least one task.
  engine::Submit NextRun(std::string payloads, std::vector<uint32_t> sizes, broker::BodyPtr& body);
  // Whether a run of these is one submit: otherwise what is wrong with each is said of it alone.
  bool MayRun(const std::vector<uint32_t>& sizes) const;
  // Begin and Next, for a task that comes with its payload and key.
  engine::Submit Read(v1::TaskSpec& task, int64_t wall_ms, broker::BodyPtr& body);

 private:
  broker::BodyPtr BodyOf(std::string bytes) const;
  absl::Status Check(const std::string& payload, const std::string& request_key) const;
  std::shared_ptr<const engine::RetryPolicy> ReadPolicy(v1::RetryPolicy& retry);

  const Bounds bounds_;
  absl::Status status_;  // of what they have in common
  engine::Submit common_;
  std::string content_type_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::vector<std::pair<std::string, std::string>> trace_;  // headers
  std::shared_ptr<const engine::RetryPolicy> last_policy_;
};

}  // namespace treadle::rpc
