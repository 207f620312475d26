#include "worker/pool/process/signal_name.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace treadle::worker {

std::string SignalName(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name == nullptr ? absl::StrCat("signal ", signal) : absl::StrCat("SIG", name);
}

}  // namespace treadle::worker
