#include "server/rpc/digest.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>
#include <xxhash.h>

#include "proto/support/assert.h"
#include "proto/support/trace_context.h"

namespace treadle::rpc {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are hashed as they lie");

// Numbers as 64 bits, text with its length before it: no two contents have the same bytes.
class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) {
    TREADLE_ASSERT(state_ != nullptr);
    XXH3_128bits_reset(state_.get());
  }
  void Add(uint64_t number) { XXH3_128bits_update(state_.get(), &number, sizeof(number)); }
  void AddSigned(int64_t number) { Add(static_cast<uint64_t>(number)); }
  void AddReal(double number) { Add(std::bit_cast<uint64_t>(number)); }
  void Add(std::string_view text) {
    Add(uint64_t{text.size()});
    XXH3_128bits_update(state_.get(), text.data(), text.size());
  }
  engine::ContentDigest Finish() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return {.high = hash.high64, .low = hash.low64};
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

engine::ContentDigest DigestOf(const engine::TaskSpec& spec, const broker::Body* body) {
  static const broker::Body kNone;
  static const engine::RetryPolicy kDefaultPolicy;
  if (body == nullptr) body = &kNone;
  const engine::RetryPolicy& retry = spec.retry == nullptr ? kDefaultPolicy : *spec.retry;

  Hash hash;
  hash.Add(std::string_view(spec.type));
  hash.Add(std::string_view(body->bytes));
  hash.Add(std::string_view(body->content_type));
  auto headers = body->headers;
  // Who submits the same again does it in another trace.
  std::erase_if(headers, [](const auto& header) { return IsTraceContext(header.first); });
  std::sort(headers.begin(), headers.end());
  hash.Add(uint64_t{headers.size()});
  for (const auto& [key, value] : headers) {
    hash.Add(std::string_view(key));
    hash.Add(std::string_view(value));
  }
  hash.AddSigned(spec.priority);
  hash.AddSigned(spec.run_at_ms);
  hash.AddSigned(spec.delay_ms);
  hash.AddSigned(spec.deadline_at_ms);
  hash.AddSigned(spec.deadline_in_ms);
  hash.AddSigned(spec.attempt_timeout_ms);
  hash.AddSigned(spec.result_ttl_ms);
  hash.AddSigned(spec.max_attempts);
  hash.AddSigned(retry.initial_delay_ms);
  hash.AddReal(retry.multiplier);
  hash.AddSigned(retry.max_delay_ms);
  hash.AddReal(retry.jitter);
  hash.Add(uint64_t{retry.no_retry_error_types.size()});
  for (const std::string& type : retry.no_retry_error_types) hash.Add(std::string_view(type));
  return hash.Finish();
}

}  // namespace treadle::rpc
