#include "server/broker/body.h"

namespace treadle::broker {

int64_t BytesOf(const Body& body) {
  size_t bytes = sizeof(Body) + body.bytes.size() + body.content_type.size();
  for (const auto& [key, value] : body.headers) {
    bytes += 2 * sizeof(std::string) + key.size() + value.size();
  }
  return static_cast<int64_t>(bytes);
}

const BodyPtr& EmptyBody() {
  static const BodyPtr empty = std::make_shared<const Body>();
  return empty;
}

}  // namespace treadle::broker
