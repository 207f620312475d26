#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace treadle::engine {

// splitmix64's finish: every bit of the input moves every bit of the output. (absl::Hash is seeded
// anew in each process, so nothing that must repeat may use it.)
constexpr uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The same number for the same values in the same order, in every process.
class StableHash {
 public:
  explicit StableHash(uint64_t kind) : state_(MixBits(kind)) {}

  template <typename T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) StableHash& Add(T value) {
    state_ = MixBits(state_ ^ static_cast<uint64_t>(value));
    return *this;
  }
  StableHash& Add(std::string_view text) {
    Add(text.size());
    uint64_t word = 0;
    int bits = 0;
    for (const char c : text) {
      word |= static_cast<uint64_t>(static_cast<uint8_t>(c)) << bits;
      bits += 8;
      if (bits == 64) {
        Add(word);
        word = 0;
        bits = 0;
      }
    }
    return bits == 0 ? *this : Add(word);
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_;
};

}  // namespace treadle::engine
