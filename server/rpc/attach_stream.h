#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "server/rpc/bidi_call.h"
#include "server/rpc/convert.h"
#include "server/rpc/gathering.h"
#include "server/rpc/recycled_message.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {

// WorkerService.Attach: one worker's credit, tasks, reports and stops.
class AttachStream final : public BidiCall {
 public:
  AttachStream(Edge& edge, grpc::CallbackServerContext* context);

  void Flush() override;
  void FlushAll() override;

 protected:
  void Hear(broker::Delivery& delivery) override;
  absl::Status OnMessage(const grpc::ByteBuffer& message) override;
  grpc::ByteBuffer DiskHungMessage(int64_t hung_ms) const override;
  const char* first_field() const override { return "hello"; }
  void OnArriving() override;
  void OnOver() override;

 private:
  absl::Status ReadHelloOnce(v1::AttachRequest& request, std::vector<broker::Request>& requests);
  void HandleSucceeded(v1::ReportRun& run, std::vector<broker::Request>& requests,
                       absl::FunctionRef<void(uint64_t token, absl::Status status)> refuse);
  void HandleReports(v1::AttachRequest& request, std::vector<broker::Request>& requests);

  // The outbox's thread.
  void Attached(const engine::WorkerAttached& attached);
  void Handled(uint64_t sequence);
  void Leased(const broker::Leased& leased);
  // As many of the run's tasks, from `added` on, as fit into the message, which is sent first when
  // it has no room for one; `added` is then behind them. They join `out`, or make a new one.
  absl::Status AddSome(const broker::LeasedRun& run, int64_t now_ms, uint32_t& added,
                       v1::LeasedRun*& out);
  v1::AttachResponse& Add(int64_t bytes);
  // For an item of so many bytes. True: the response so far has left.
  bool MakeRoom(int64_t bytes);

  const Bounds bounds_;

  // The reader's.
  RecycledMessage<v1::AttachRequest> request_;
  int pools_ = 0;  // 0: no hello yet
  std::string worker_id_;
  int64_t taken_bytes_max_ = 0;  // WorkerHello.message_bytes_max; read by the outbox's thread later

  // The last that the reader heard of and that is to be answered at once.
  std::atomic<uint64_t> answer_at_once_ = 0;

  // The outbox's thread's.
  Gathering<v1::AttachResponse> response_;
  bool may_wait_ = false;  // nothing in the response is urgent
  uint64_t handled_ = 0;
};

}  // namespace treadle::rpc
