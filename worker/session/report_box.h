#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "treadle/internal/attempt_result.h"
#include "treadle/v1/worker_service.pb.h"
#include "worker/session/output_box.h"
#include "worker/session/report.h"

namespace treadle::worker {

// Reports on their way to the broker: each is kept until the broker has acknowledged it, and sent
// again over the next stream when it was not. What succeeded goes as runs, which are made when
// their message is taken; messages are used again.
//
// Not thread-safe: the session guards it.
class ReportBox {
 public:
  ReportBox();

  void Add(uint64_t token, AttemptResult result, int64_t payload_bytes_max);

  // The next message to write: with `output`, which it takes, and with the reports that wait, up to
  // what one message may carry; without any when none waits. Those of attempts that have more
  // output in `said` wait on. It has a report_sequence if it has reports, or `numbered` says so.
  // More may be added to it. It belongs to the box, and stays as it is until Written or StreamLost.
  // REQUIRES: no other is being written.
  v1::AttachRequest& Take(bool numbered, OutputReports output, const OutputBox& said);
  void Written();

  // The broker has dealt with the reports of all messages up to this one.
  void Acknowledge(uint64_t report_sequence);
  // The last one that it said so of, in this stream.
  uint64_t acknowledged() const { return acknowledged_; }

  // The stream is over: what was not acknowledged waits again, in order, for the next.
  void StreamLost();
  // Names the leases whose reports are here: the broker must not give them away before it has
  // heard.
  void AddHeld(v1::WorkerHello& hello) const;
  // Drops waiting reports of leases that are no longer valid.
  void Drop(const absl::flat_hash_set<uint64_t>& tokens);

  // Reports that wait to be sent, and those in the message that is being written.
  int64_t waiting() const { return waiting_; }
  int64_t writing() const { return writing_ == nullptr ? 0 : writing_->count; }
  // These, and those sent and not acknowledged: AddHeld may have to name so many.
  int64_t size() const { return size_; }
  int64_t bytes() const { return bytes_; }
  // A message is full: there is no use in waiting for more.
  bool full() const { return open_.size() > 1; }
  // Every report was acknowledged.
  bool empty() const { return size_ == 0; }

 private:
  struct Message {
    v1::AttachRequest request;
    std::vector<SuccessReport> successes;  // until it is taken: not in the request yet
    int64_t count = 0;                     // of the reports
    int64_t bytes = 0;                     // of these
  };
  using MessagePtr = std::unique_ptr<Message>;

  MessagePtr NewMessage();
  MessagePtr NextMessage(const OutputBox& said);
  MessagePtr HoldBack(Message& message, const OutputBox& said);
  void Forget(MessagePtr message);
  static void KeepReportsOnly(Message& message);
  void Recount(Message& message);

  std::deque<MessagePtr> open_;  // with reports to send; the last one takes more
  MessagePtr writing_;
  std::deque<MessagePtr> sent_;  // with reports, not acknowledged
  std::vector<MessagePtr> spare_;
  int64_t waiting_ = 0;
  int64_t size_ = 0;
  int64_t bytes_ = 0;
  uint64_t last_sequence_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace treadle::worker
