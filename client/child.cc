#include "client/child.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "client/ledger/wire_format.h"

#include "treadle/v1/task.pb.h"

namespace treadle::client {
namespace {

using std::chrono::milliseconds;

// Cancels a task when its parent is cancelled, as long as neither has ended.
class Child final : public ChildTask, public Listener {
 public:
  Child(FutureStateRef state, std::shared_ptr<ChildTasks> siblings)
      : Listener(Until::kDone), state_(std::move(state)), siblings_(std::move(siblings)) {}
  ~Child() override { state_->Unlisten(*this); }

  void Cancel() override { state_->Cancel(); }
  // What it holds is let go when the future's lock is free.
  void OnReached(Wakeups& wakeups) override {
    if (auto self = siblings_->Remove(*this)) {
      wakeups.callbacks.push_back([self = std::move(self)] {});
    }
  }

 private:
  const FutureStateRef state_;
  const std::shared_ptr<ChildTasks> siblings_;
};

}  // namespace

bool IsChild(const RunningTask* parent, const Client& client, const SubmitOptions& own) {
  return parent != nullptr && parent->client() == &client && !own.detached;
}

void InheritDeadline(const RunningTask& parent, const SubmitOptions& own, std::string& spec) {
  const auto deadline = parent.deadline();
  if (!deadline || !own.request_key.empty()) return;
  const auto left = std::chrono::ceil<milliseconds>(*deadline - std::chrono::steady_clock::now());
  if (own.deadline.count() > 0 && own.deadline <= left) return;
  if (own.deadline_at && *own.deadline_at - std::chrono::system_clock::now() <= left) return;
  // The two kinds of deadline are alternatives of one field: the last in the message counts.
  AppendField(spec, v1::TaskSpec::kDeadlineInMsFieldNumber,
              static_cast<uint64_t>(std::max<int64_t>(1, left.count())));
}

void CancelWith(const std::shared_ptr<ChildTasks>& siblings, const FutureStateRef& task) {
  if (siblings == nullptr) return;
  const auto child = std::make_shared<Child>(task, siblings);
  siblings->Add(child);
  if (!task->Listen(*child)) siblings->Remove(*child);
}

}  // namespace treadle::client
