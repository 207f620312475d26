#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace treadle::store {

// One turn's changes, in order; a later change to a key wins. Keys and values are bytes. They lie
// one after the other in memory that is kept from one turn to the next: a change costs no
// allocation.
class WriteBatch {
 public:
  struct Change {
    std::string_view key;
    std::optional<std::string_view> value;  // absent: delete
    bool put_once = false;                  // deleted with DeleteOnce
  };

  // REQUIRES, here and below: fewer than 4 GiB.
  void Put(std::string_view key, std::string_view value);
  // The value's bytes are the caller's to write, before it changes the batch again.
  char* Put(std::string_view key, size_t value_bytes);
  void Delete(std::string_view key);
  // The same, and cheaper to clean up, for a key that was put exactly once since it was last
  // deleted, if ever. REQUIRES: that; and a key that is deleted so is never deleted otherwise.
  void DeleteOnce(std::string_view key);
  void Clear();

  bool empty() const { return spans_.empty(); }
  size_t size() const { return spans_.size(); }
  // Of all keys and values.
  size_t bytes() const { return bytes_.size(); }
  // Valid until the batch is changed.
  Change operator[](size_t index) const;

 private:
  // In place of a value's size.
  static constexpr uint32_t kDeleted = UINT32_MAX;
  static constexpr uint32_t kDeletedOnce = UINT32_MAX - 1;

  // A key and, right after it, its value.
  struct Span {
    size_t begin;
    uint32_t key_bytes;
    uint32_t value_bytes;
  };

  // Bytes that come are left as they are, to be written by who asked for them.
  template <typename T>
  struct Uninitialized : std::allocator<T> {
    template <typename Other>
    struct rebind {
      using other = Uninitialized<Other>;
    };
    void construct(T*) {}
  };

  char* Add(std::string_view key, uint32_t value_bytes);

  std::vector<char, Uninitialized<char>> bytes_;
  std::vector<Span> spans_;
};

}  // namespace treadle::store
