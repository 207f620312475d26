#include "server/http/visits.h"

#include <chrono>
#include <future>
#include <utility>

namespace treadle::http {

bool Visits::Make(broker::Intake& broker, absl::AnyInvocable<void(const broker::View&)> visit) {
  if (open_->fetch_add(1) >= kOpenMax) {
    --*open_;
    return false;
  }
  std::promise<void> made;
  std::future<void> told = made.get_future();
  broker.Visit([open = open_, visit = std::move(visit),
                made = std::move(made)](const broker::View& view) mutable {
    visit(view);
    --*open;
    made.set_value();
  });
  return told.wait_for(std::chrono::milliseconds(kLimitMs)) == std::future_status::ready;
}

}  // namespace treadle::http
