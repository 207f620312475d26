#pragma once

#include <cstdint>
#include <httplib.h>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include "server/http/posts.h"

namespace treadle::bridge {

struct Options {
  bool actions = false;     // methods that change something are answered
  bool is_loopback = true;  // where the port listens: see CheckOrigin
  int64_t calls_max = 0;    // at once, each of which holds a thread of the HTTP port
};

// The gRPC API's unary methods over HTTP, by the Connect protocol: what a request asks is called
// within the process, so that there is one API, with the same checks, bounds and errors.
//
// Open when the broker serves; before, calls are refused with UNAVAILABLE, as they are from Close
// on. Any thread.
class Bridge final : public http::Posts {
 public:
  // What comes back is no larger: a response, before it is JSON.
  static constexpr int64_t kResponseBytesMax = int64_t{8} << 20;

  explicit Bridge(const Options& options) : options_(options) {}

  bool Admits(const httplib::Request& request, httplib::Response& refusal) const override;
  void Refuse(const absl::Status& why, httplib::Response& refusal) const override;
  void Answer(const httplib::Request& request, httplib::Response& response) override;

  // Bounds what `channel` brings back itself: see NewChannelArguments.
  void Open(std::shared_ptr<grpc::Channel> channel);
  void Close();
  // Close, and ends the calls that are under way.
  void End();

  // With which to make the channel that Open takes.
  static grpc::ChannelArguments NewChannelArguments();

 private:
  // One call under way, and its place among those that may be.
  class Place;

  absl::StatusOr<std::string> Call(const google::protobuf::MethodDescriptor& method,
                                   const httplib::Request& request);

  const Options options_;
  std::mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_;           // null: not open yet
  absl::flat_hash_set<grpc::ClientContext*> calls_;  // under way
  bool closed_ = false;
};

}  // namespace treadle::bridge
