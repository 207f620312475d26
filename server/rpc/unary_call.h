#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <google/protobuf/message.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "server/broker/broker.h"
#include "server/rpc/call.h"
#include "server/rpc/edge.h"
#include "server/rpc/message_wait.h"

namespace treadle::rpc {

// A unary call: answered once, by whoever comes first: a reply, an error, the client's leaving.
//
// To gRPC it is a stream (see methods.h), of which one message is read and one is written.
class UnaryCall final : public Call, public grpc::ServerGenericBidiReactor {
 public:
  // Parses the request, and does what it asks for or sees to it. An error ends the call with it. On
  // a gRPC thread.
  using Handle = std::function<absl::Status(UnaryCall&, const grpc::ByteBuffer& request)>;
  using OnDelivery = absl::AnyInvocable<void(UnaryCall&, broker::Delivery&)>;

  struct Method {
    Handle handle;
    bool is_about_health = false;
  };

  // `method` outlives it.
  UnaryCall(Edge& edge, grpc::CallbackServerContext* context, const Method& method);

  // Registers the call, which then holds itself until OnDone, and waits for its message. Called
  // once, right after construction, before gRPC has the reactor. With an error the call ends with
  // it instead.
  void Begin(absl::Status status = absl::OkStatus());

  bool is_stream() const override { return false; }
  bool is_about_health() const override { return method_.is_about_health; }
  void Deliver(broker::Delivery& delivery) override;
  void BreakOff() override;
  // It has no other way to tell its client. After ten seconds, or shortly before the client gives
  // up.
  void DiskHangs(int64_t now_ms, int64_t hung_ms) override;
  void End(absl::Status status) override;
  // False: the client does not get it: the call was over already, or the client has so much unread
  // that the call ends with RESOURCE_EXHAUSTED.
  bool Reply(const google::protobuf::MessageLite& response);

  // Of the call's metadata; empty: it has none of that name. From the call's handler.
  std::string_view Metadata(std::string_view name) const;
  // Who has it done, for the log of actions. INVALID_ARGUMENT: what it says of that is no name.
  absl::StatusOr<engine::Actor> actor() const;

  // What to do with what comes for this call. Before anything is posted for it.
  void Expect(OnDelivery on_delivery) { on_delivery_ = std::move(on_delivery); }
  // The broker keeps something for this call until it is told that the call is over, in the lane in
  // which it is posted. Before Post.
  void Park(broker::Lane lane) {
    parked_in_ = lane;
    parked_ = true;
  }
  // It does not any more.
  void Unpark() { parked_ = false; }

  // Has this called, unless the call is over by then. From the call's handler, once.
  void After(int64_t delay_ms, absl::AnyInvocable<void(UnaryCall&)> callback);

  // Hands over requests; an error ends the call with it.
  void Post(broker::Lane lane, std::vector<broker::Request> requests);
  void Post(broker::Lane lane, broker::Request request);
  // Asks on the broker's thread; the call's answer is what `ask` returns. It must not touch the
  // call. What was answered before is seen by it.
  template <typename Response>
  void Ask(absl::AnyInvocable<absl::StatusOr<Response>(const broker::View&)> ask) {
    PostQuery(broker::Query([self = Self(), ask = std::move(ask)](const broker::View& view) mutable
                            -> std::variant<broker::Answer, broker::Look> {
      return AnswerWith<Response>(std::move(self), ask(view));
    }));
  }
  // As Ask. Absent: what has ended is to be looked through, too; then the answer is what `look`
  // returns, which is called on the store's thread.
  template <typename Response>
  using AskNow = absl::AnyInvocable<std::optional<absl::StatusOr<Response>>(const broker::View&)>;
  template <typename Response>
  using AskStored = absl::AnyInvocable<absl::StatusOr<Response>(broker::StoredTasks&)>;
  template <typename Response>
  void Ask(AskNow<Response> ask, AskStored<Response> look) {
    PostQuery(QueryOf<Response>(std::move(ask), std::move(look)));
  }
  // What Ask posts, for who posts it otherwise.
  template <typename Response>
  broker::Query QueryOf(AskNow<Response> ask, AskStored<Response> look) {
    return [self = Self(), ask = std::move(ask), look = std::move(look)](
               const broker::View& view) mutable -> std::variant<broker::Answer, broker::Look> {
      if (auto response = ask(view)) {
        return AnswerWith<Response>(std::move(self), *std::move(response));
      }
      return broker::Look(
          [self = std::move(self), look = std::move(look)](broker::StoredTasks& stored) mutable {
            return AnswerWith<Response>(std::move(self), look(stored));
          });
    };
  }

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Beat(int64_t now_ms) override;

 private:
  std::shared_ptr<UnaryCall> Self() {
    return std::static_pointer_cast<UnaryCall>(shared_from_this());
  }
  template <typename Response>
  static broker::Answer AnswerWith(std::shared_ptr<UnaryCall> call,
                                   absl::StatusOr<Response> response) {
    return [call = std::move(call), response = std::move(response)] {
      if (response.ok()) {
        call->Reply(*response);
      } else {
        call->End(response.status());
      }
    };
  }
  int64_t TakenWithinMs() const;
  // False: somebody else has answered.
  bool BeginAnswer();
  void PostQuery(broker::Query query) {
    Post(broker::Lane::kQuestions, broker::Request{broker::AskQuery{id(), std::move(query)}});
  }

  Edge& edge_;
  grpc::CallbackServerContext* const context_;  // valid until OnDone
  const Method& method_;
  MessageWait wait_;
  const int64_t begun_at_ms_;
  const std::chrono::system_clock::time_point deadline_;
  int64_t ended_at_ms_ = 0;    // the pulse's thread's: when it saw that the call was answered
  grpc::ByteBuffer request_;   // gRPC's until OnReadDone
  grpc::ByteBuffer response_;  // gRPC's until OnDone
  std::atomic<int64_t> outgoing_bytes_{0};  // of the response, until it is read
  std::mutex done_mutex_;
  bool done_ = false;  // OnDone has begun: `context_` is about to go
  OnDelivery on_delivery_;
  std::atomic<bool> has_message_{false};
  std::atomic<bool> finished_{false};
  broker::Lane parked_in_ = broker::Lane::kQuestions;
  std::atomic<bool> parked_{false};
  std::optional<Pulse::Timer> timer_;  // goes with the call
  std::shared_ptr<Call> self_;
};

}  // namespace treadle::rpc
