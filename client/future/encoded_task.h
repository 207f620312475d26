#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace treadle::client {

// A task on its way to the broker. Those of one executor share what they have in common, so that
// the ledger sees without a look at the bytes that they make a run.
struct EncodedTask {
  int64_t bytes() const {
    const size_t common_bytes = common == nullptr ? 0 : common->size();
    return static_cast<int64_t>(common_bytes + payload.size() + request_key.size());
  }

  std::shared_ptr<const std::string> common;  // a v1::TaskSpec without what follows
  std::string payload;
  std::string request_key;
};

}  // namespace treadle::client
