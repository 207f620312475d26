#include "client/wait.h"

#include <deque>
#include <memory>
#include <utility>

#include "client/future_state.h"

namespace treadle {
namespace {

class IndexListener final : public Listener {
 public:
  IndexListener(FutureStateRef state, std::shared_ptr<WaitPoint> point, size_t index)
      : Listener(Until::kDone), state_(std::move(state)), point_(std::move(point)), index_(index) {}
  ~IndexListener() override { state_->Unlisten(*this); }

  void OnReached(Wakeups& wakeups) override {
    if (point_->Arrive(index_)) wakeups.points.push_back(point_);
  }
  void Start() {
    if (!state_->Listen(*this)) point_->Arrive(index_);
  }

 private:
  const FutureStateRef state_;
  const std::shared_ptr<WaitPoint> point_;
  const size_t index_;
};

}  // namespace

struct DoneCollector::Impl {
  std::shared_ptr<WaitPoint> point = std::make_shared<WaitPoint>();
  std::deque<IndexListener> listeners;  // never moved: the futures point to them
  size_t outstanding = 0;
};

DoneCollector::DoneCollector() : impl_(std::make_unique<Impl>()) {}
DoneCollector::DoneCollector(DoneCollector&&) noexcept = default;
DoneCollector& DoneCollector::operator=(DoneCollector&&) noexcept = default;
DoneCollector::~DoneCollector() = default;

void DoneCollector::Watch(const FutureBase& future, size_t index) {
  ++impl_->outstanding;
  impl_->listeners.emplace_back(future.state(), impl_->point, index).Start();
}

std::optional<size_t> DoneCollector::Next(std::chrono::steady_clock::time_point deadline) {
  if (impl_->outstanding == 0) return std::nullopt;
  const std::optional<size_t> index = impl_->point->Next(deadline);
  if (index.has_value()) --impl_->outstanding;
  return index;
}

std::chrono::steady_clock::time_point DeadlineAfter(Timeout timeout) {
  const auto now = std::chrono::steady_clock::now();
  const auto left = std::chrono::steady_clock::time_point::max() - now;
  return timeout >= left ? std::chrono::steady_clock::time_point::max() : now + timeout;
}

}  // namespace treadle
