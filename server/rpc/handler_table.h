#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"
#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/worker_service.pb.h"

namespace treadle::rpc {

// What the attached workers have told of their handlers, for people to look at. Nothing rests on
// it, so it is kept here rather than in the engine, and no longer than the stream that told it.
// Thread-safe.
class HandlerTable {
 public:
  using Handlers = google::protobuf::RepeatedPtrField<v1::HandlerStats>;

  // In the place of what was told before; `call` is the worker's stream. A stream that another has
  // taken over from is not heard.
  void Put(const std::string& worker_id, engine::CallId call, Handlers handlers);
  // The stream is over. What another stream of the worker told stays.
  void Drop(const std::string& worker_id, engine::CallId call);

  void Write(const std::string& worker_id, v1::Worker& out) const;

 private:
  struct Told {
    engine::CallId call{};
    std::shared_ptr<const Handlers> handlers;
  };

  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Told> by_worker_;
};

}  // namespace treadle::rpc
