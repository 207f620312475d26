#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "client/session/watches.h"

#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"

namespace treadle::cli {

// While a command waits, looks every few seconds on a thread of its own whether the broker's disk
// answers, and says once that it does not, and when it does again.
class DiskHint {
 public:
  // `say` is called on the other thread.
  DiskHint(Client& client, std::function<void(const std::string& text)> say);
  // Breaks off the question that it may be asking.
  ~DiskHint();
  DiskHint(const DiskHint&) = delete;
  DiskHint& operator=(const DiskHint&) = delete;

 private:
  void Run();
  // For how long it has not answered, 0: it does. Absent: the broker was not reached.
  std::optional<int64_t> AskHungMs();

  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::function<void(const std::string&)> say_;
  client::Watches calls_;
  std::thread thread_;
};

}  // namespace treadle::cli
