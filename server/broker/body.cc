#include "server/broker/body.h"

#include <string>
#include <utility>
#include <variant>

#include "proto/support/assert.h"

namespace treadle::broker {
namespace {

int64_t BytesBesides(const Body& body) {
  size_t bytes = sizeof(Body) + body.content_type.size();
  for (const auto& [key, value] : body.headers) {
    bytes += 2 * sizeof(std::string) + key.size() + value.size();
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace

int64_t BytesOf(const Body& body) {
  return static_cast<int64_t>(body.bytes.size()) + BytesBesides(body);
}

int64_t BytesOf(const BodyPart& part) {
  return static_cast<int64_t>(part.bytes) + BytesBesides(*part.body);
}

std::string_view BytesIn(const BodyPart& part) {
  return std::string_view(part.body->bytes).substr(part.begin, part.bytes);
}

BodyPart AllOf(BodyPtr body) {
  const uint64_t bytes = body->bytes.size();
  return {std::move(body), 0, bytes};
}

int64_t BytesOf(const Delivery& delivery) {
  int64_t bytes = sizeof(Delivery);
  if (const auto* leased = std::get_if<Leased>(&delivery)) {
    for (const LeasedRun& run : leased->runs) {
      bytes +=
          static_cast<int64_t>(sizeof(run) + run.lease.payload_sizes.size() * sizeof(uint32_t));
      if (run.payload.body != nullptr) bytes += BytesOf(run.payload);
    }
  } else if (const auto* outcome = std::get_if<OutcomeReady>(&delivery)) {
    bytes += static_cast<int64_t>(sizeof(engine::FinishedRow) + outcome->row->error.message.size());
    if (outcome->row->body.body != nullptr) bytes += BytesOf(outcome->row->body);
  }
  if (const auto* answer = std::get_if<Answer>(&delivery)) bytes += answer->bytes;
  return bytes;
}

engine::CallId CallOf(const Delivery& delivery) {
  return std::visit([](const auto& of) { return of.call; }, delivery);
}

BodyPart PayloadOf(const engine::Lease& lease, BodyPart row) {
  TREADLE_ASSERT(lease.payload_begin + lease.payload_bytes <= row.bytes);
  return {std::move(row.body), row.begin + lease.payload_begin, lease.payload_bytes};
}

const BodyPtr& EmptyBody() {
  static const BodyPtr empty = std::make_shared<const Body>();
  return empty;
}

}  // namespace treadle::broker
