#include "treadle/internal/attempt_result.h"

#include <cstdlib>
#include <cxxabi.h>
#include <memory>
#include <typeinfo>
#include <utility>

#include "treadle/permanent_error.h"
#include "treadle/retry_after.h"

namespace treadle::worker {
namespace {

std::string TypeName(const std::type_info* type) {
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type->name();
}

}  // namespace

AttemptResult AttemptResult::Succeeded(std::string bytes, std::string content_type) {
  AttemptResult result;
  result.bytes = std::move(bytes);
  result.content_type = std::move(content_type);
  return result;
}

AttemptResult AttemptResult::Failed(std::string type, std::string message, bool permanent) {
  AttemptResult result;
  result.end = AttemptEnd::kFailed;
  result.error_type = std::move(type);
  result.error_message = std::move(message);
  result.permanent = permanent;
  return result;
}

AttemptResult AttemptResult::FromStatus(const absl::Status& status) {
  AttemptResult result = Failed(absl::StatusCodeToString(status.code()),
                                std::string(status.message()), IsPermanent(status));
  if (const auto delay = RetryAfterOf(status)) result.retry_after_ms = delay->count();
  return result;
}

AttemptResult AttemptResult::FromCurrentException() {
  try {
    throw;
  } catch (const PermanentError& error) {
    return Failed(error.type(), error.what(), true);
  } catch (const RetryAfterError& error) {
    AttemptResult result = Failed(error.type(), error.what());
    result.retry_after_ms = error.delay().count();
    return result;
  } catch (const std::exception& error) {
    return Failed(TypeName(&typeid(error)), error.what());
  } catch (...) {
    return Failed(TypeName(abi::__cxa_current_exception_type()),
                  "the handler threw something that is not a std::exception");
  }
}

AttemptResult AttemptResult::Stopped() {
  AttemptResult result;
  result.end = AttemptEnd::kStopped;
  return result;
}

AttemptResult AttemptResult::Released() {
  AttemptResult result;
  result.end = AttemptEnd::kReleased;
  return result;
}

}  // namespace treadle::worker
