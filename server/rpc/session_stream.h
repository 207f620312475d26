#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "server/rpc/bidi_call.h"
#include "server/rpc/convert.h"
#include "server/rpc/gathering.h"
#include "server/rpc/recycled_message.h"
#include "server/rpc/submit_reader.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {

// TaskService.Session: one client's submits and outcomes.
//
// The client numbers its own tasks, but their ids begin with the session's number, which a new
// session's client does not know yet. So what else the first message carries waits until the broker
// has opened the session.
class SessionStream final : public BidiCall {
 public:
  SessionStream(Edge& edge, grpc::CallbackServerContext* context);

  void Flush() override;
  void FlushAll() override;

 protected:
  void Hear(broker::Delivery& delivery) override;
  absl::Status OnMessage(const grpc::ByteBuffer& message) override;
  grpc::ByteBuffer DiskHungMessage(int64_t hung_ms) const override;
  const char* first_field() const override { return "open"; }
  void LetGo();
  void OnOver() override;

 private:
  // What was sent for a task's id and is none.
  struct NoId {
    std::string text;
    absl::Status status;
  };

  absl::Status Open(const v1::SessionOpen& open);
  // All that was submitted so far is answered at once, and what waits to be told.
  void AnswerAtOnce();
  // Posts everything but `open`.
  void Handle(v1::SessionRequest& request);
  void HandleRuns(v1::SessionRequest& request, std::vector<broker::Request>& requests);
  void AddSubmit(engine::Submit submit, uint64_t sequence, broker::BodyPtr body,
                 std::vector<broker::Request>& requests);
  void HandleIds(v1::SessionRequest& request, std::vector<broker::Request>& requests);
  void Refuse(std::vector<NoId> no_ids);

  // The outbox's thread.
  void Opened(const engine::SessionOpened& opened);
  void Submitted(const engine::Submitted& submitted);
  void Accepted(const engine::Submitted& submitted, v1::Durability level);
  void AddAccepted(const engine::Submitted& submitted, v1::Durability level);
  void Refused(uint64_t sequence, const absl::Status& status);
  void Ended(const broker::OutcomeReady& outcome);
  void Succeeded(const engine::FinishedRow& row);
  v1::OutcomeRun& RunOf(const engine::FinishedRow& row, uint32_t index,
                        v1::SessionResponse& response);
  void Unknown(const std::string& task, const absl::Status& status);
  v1::SessionResponse& Add(int64_t bytes);
  void MakeRoom(int64_t bytes);

  const Bounds bounds_;

  // The reader's: a gRPC thread's, or the outbox's while reading is held.
  RecycledMessage<v1::SessionRequest> request_;
  SubmitReader reader_;
  uint64_t session_ = 0;  // 0: not open yet
  bool begun_ = false;    // the first message has come
  uint64_t newest_ = 0;   // submitted

  // What is below is answered at once.
  std::atomic<uint64_t> at_once_below_ = 0;

  // The outbox's thread's.
  Gathering<v1::SessionResponse> response_;
  bool may_wait_ = false;    // nothing in the response is urgent, ...
  uint64_t waits_from_ = 0;  // ... and this is the first that it answers
};

}  // namespace treadle::rpc
