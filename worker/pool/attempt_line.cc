#include "worker/pool/attempt_line.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"

namespace treadle::worker {

AttemptLine::~AttemptLine() {
  // One by one: the links own each other, and a long chain would be freed by deep recursion.
  while (!empty()) PopFront();
}

void AttemptLine::PushBack(AttemptPtr attempt) {
  TREADLE_ASSERT(attempt->line_ == nullptr);
  Attempt* const added = attempt.get();
  added->line_ = this;
  added->previous_ = last_;
  (last_ == nullptr ? first_ : last_->next_) = std::move(attempt);
  last_ = added;
  ++size_;
}

AttemptPtr AttemptLine::PopFront() {
  TREADLE_ASSERT(!empty());
  AttemptPtr taken = first_;
  Remove(*taken);
  return taken;
}

AttemptPtr AttemptLine::PopBack() {
  TREADLE_ASSERT(!empty());
  AttemptPtr taken = last_->previous_ == nullptr ? first_ : last_->previous_->next_;
  Remove(*taken);
  return taken;
}

std::vector<AttemptPtr> AttemptLine::TakeBack(size_t count) {
  std::vector<AttemptPtr> taken;
  taken.reserve(std::min(count, size_));
  while (!empty() && taken.size() < count) taken.push_back(PopBack());
  return taken;
}

bool AttemptLine::Remove(Attempt& attempt) {
  if (attempt.line_ != this) return false;
  AttemptPtr& link = attempt.previous_ == nullptr ? first_ : attempt.previous_->next_;
  const AttemptPtr kept = std::move(link);
  link = std::move(attempt.next_);
  (link == nullptr ? last_ : link->previous_) = attempt.previous_;
  attempt.previous_ = nullptr;
  attempt.line_ = nullptr;
  --size_;
  return true;
}

}  // namespace treadle::worker
