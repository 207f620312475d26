#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"

#include "server/broker/broker.h"

namespace treadle::http {

// Has the broker's thread look at itself, and waits for it. Any thread, several at once.
class Visits {
 public:
  // The broker's loop may be busy or stuck for so long.
  static constexpr int64_t kLimitMs = 3'000;

  // False: the loop did not come to it within the limit. It may still come later, so `visit` keeps
  // alive what it uses, and nobody else touches that any more.
  bool Make(broker::Intake& broker, absl::AnyInvocable<void(const broker::View&)> visit);

 private:
  // Beyond so many that the loop has not come to, no more are asked for.
  static constexpr int64_t kOpenMax = 100;

  const std::shared_ptr<std::atomic<int64_t>> open_ = std::make_shared<std::atomic<int64_t>>(0);
};

}  // namespace treadle::http
