#include "treadle/wait.h"

#include <deque>
#include <memory>
#include <utility>

#include "client/future/future_state.h"

namespace treadle {

struct DoneCollector::Impl {
  std::shared_ptr<client::WaitPoint> point = std::make_shared<client::WaitPoint>();
  std::deque<client::PointListener> listeners;  // never moved: the futures point to them
  size_t outstanding = 0;
};

DoneCollector::DoneCollector() : impl_(std::make_unique<Impl>()) {}
DoneCollector::DoneCollector(DoneCollector&&) noexcept = default;
DoneCollector& DoneCollector::operator=(DoneCollector&&) noexcept = default;
DoneCollector::~DoneCollector() = default;

void DoneCollector::Watch(const FutureBase& future, size_t index) {
  ++impl_->outstanding;
  client::PointListener& listener = impl_->listeners.emplace_back(
      future.state(), client::Listener::Until::kDone, impl_->point, index);
  if (!listener.Start()) impl_->point->Arrive(index);
}

std::optional<size_t> DoneCollector::Next(std::chrono::steady_clock::time_point deadline) {
  if (impl_->outstanding == 0) return std::nullopt;
  const std::optional<size_t> index = impl_->point->Next(deadline);
  if (index.has_value()) --impl_->outstanding;
  return index;
}

}  // namespace treadle
