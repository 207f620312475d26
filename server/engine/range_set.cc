#include "server/engine/range_set.h"

#include <algorithm>

namespace treadle::engine {

size_t RangeSet::Find(uint64_t number) const {
  if (ranges_.empty() || ranges_.back().second < number) return ranges_.size();
  const auto found =
      std::lower_bound(ranges_.begin(), ranges_.end(), number,
                       [](const Range& range, uint64_t value) { return range.second < value; });
  return static_cast<size_t>(found - ranges_.begin());
}

bool RangeSet::Contains(uint64_t number) const {
  const size_t at = Find(number);
  return at < ranges_.size() && ranges_[at].first <= number;
}

bool RangeSet::NeedsRange(uint64_t number) const {
  const size_t at = Find(number);
  const bool joins_next = at < ranges_.size() && ranges_[at].first <= number + 1;
  const bool joins_previous = at > 0 && ranges_[at - 1].second + 1 == number;
  return !joins_next && !joins_previous;
}

bool RangeSet::Add(uint64_t number) {
  if (Contains(number)) return false;
  Insert(number, number);
  return true;
}

void RangeSet::Insert(uint64_t first, uint64_t last) {
  const size_t at = Find(first);
  const bool joins_previous = at > 0 && ranges_[at - 1].second + 1 == first;
  const bool joins_next = at < ranges_.size() && ranges_[at].first - 1 == last;
  if (joins_previous && joins_next) {
    ranges_[at - 1].second = ranges_[at].second;
    ranges_.erase(ranges_.begin() + static_cast<ptrdiff_t>(at));
  } else if (joins_previous) {
    ranges_[at - 1].second = last;
  } else if (joins_next) {
    ranges_[at].first = first;
  } else {
    ranges_.insert(ranges_.begin() + static_cast<ptrdiff_t>(at), {first, last});
  }
}

void RangeSet::Append(uint64_t first, uint64_t last) {
  if (!ranges_.empty() && ranges_.back().second + 1 == first) {
    ranges_.back().second = last;
  } else {
    ranges_.emplace_back(first, last);
  }
}

void RangeSet::RemoveBelow(uint64_t number) {
  const size_t at = Find(number);
  ranges_.erase(ranges_.begin(), ranges_.begin() + static_cast<ptrdiff_t>(at));
  if (!ranges_.empty()) ranges_.front().first = std::max(ranges_.front().first, number);
}

bool RangeSet::Assign(const std::vector<Range>& ranges) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first > ranges[i].second) return false;
    if (i > 0 &&
        (ranges[i].first <= ranges[i - 1].second || ranges[i].first - ranges[i - 1].second < 2)) {
      return false;
    }
  }
  ranges_ = ranges;
  return true;
}

}  // namespace treadle::engine
