#include "server/broker/body.h"

#include <variant>

namespace treadle::broker {

int64_t BytesOf(const Body& body) {
  size_t bytes = sizeof(Body) + body.bytes.size() + body.content_type.size();
  for (const auto& [key, value] : body.headers) {
    bytes += 2 * sizeof(std::string) + key.size() + value.size();
  }
  return static_cast<int64_t>(bytes);
}

int64_t BytesOf(const Delivery& delivery) {
  int64_t bytes = sizeof(Delivery);
  if (const auto* leased = std::get_if<Leased>(&delivery)) {
    for (const LeasedTask& task : leased->tasks) {
      bytes +=
          static_cast<int64_t>(sizeof(task)) + (task.body == nullptr ? 0 : BytesOf(*task.body));
    }
  } else if (const auto* outcome = std::get_if<OutcomeReady>(&delivery)) {
    bytes += static_cast<int64_t>(sizeof(engine::FinishedRow) + outcome->row->error.message.size());
    if (outcome->result != nullptr) bytes += BytesOf(*outcome->result);
  }
  if (const auto* answer = std::get_if<Answer>(&delivery)) bytes += answer->bytes;
  return bytes;
}

engine::CallId CallOf(const Delivery& delivery) {
  return std::visit([](const auto& of) { return of.call; }, delivery);
}

const BodyPtr& EmptyBody() {
  static const BodyPtr empty = std::make_shared<const Body>();
  return empty;
}

}  // namespace treadle::broker
