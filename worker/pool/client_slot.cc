#include "worker/pool/client_slot.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"

#include "treadle/permanent_error.h"

namespace treadle::worker {

Client& ClientSlot::Get() {
  if (Client* const client = made()) return *client;
  std::lock_guard lock(mutex_);
  if (client_ != nullptr) return *client_;
  if (!connect_) {
    throw PermanentError("treadle::NoClient",
                         "TaskContext::client: this worker's handlers have no client; set "
                         "WorkerOptions::connect_client");
  }
  absl::StatusOr<std::shared_ptr<Client>> client = connect_();
  if (!client.ok()) {
    throw std::runtime_error(absl::StrCat("TaskContext::client: ", client.status().ToString()));
  }
  client_ = *std::move(client);
  if (client_ == nullptr) {
    throw std::runtime_error("TaskContext::client: WorkerOptions::connect_client gave none");
  }
  made_.store(client_.get(), std::memory_order_release);
  return *client_;
}

}  // namespace treadle::worker
