#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace treadle::engine {

// A set of numbers that mostly come in ascending order: disjoint inclusive ranges, ascending, with
// at least one absent number between two of them. Adding at the end is O(1), anywhere else O(n).
class RangeSet {
 public:
  using Range = std::pair<uint64_t, uint64_t>;

  bool Contains(uint64_t number) const;
  // False: it was there already.
  bool Add(uint64_t number);
  // REQUIRES: first <= last, and none of them is there.
  void Insert(uint64_t first, uint64_t last);
  // REQUIRES: first <= last, and all are above Max().
  void Append(uint64_t first, uint64_t last);
  // True when Add would need one more range.
  bool NeedsRange(uint64_t number) const;
  void RemoveBelow(uint64_t number);
  // 0: empty.
  uint64_t Max() const { return ranges_.empty() ? 0 : ranges_.back().second; }

  const std::vector<Range>& ranges() const { return ranges_; }
  // False when these are not ranges as described above; the set is then unchanged.
  bool Assign(const std::vector<Range>& ranges);

 private:
  // The first range that ends at or after `number`.
  size_t Find(uint64_t number) const;

  std::vector<Range> ranges_;
};

}  // namespace treadle::engine
