#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proto/support/clock.h"
#include "proto/support/task_id.h"

namespace treadle::sim {

// What happened, as one number: equal for equal runs. Printed too, when asked.
class Trace {
 public:
  Trace(const Clock& clock, bool print) : clock_(clock), print_(print) {}

  void Note(std::string_view what, std::initializer_list<uint64_t> numbers = {}) {
    Add(static_cast<uint64_t>(clock_.NowMs()));
    for (const char c : what) Add(static_cast<uint8_t>(c));
    for (const uint64_t number : numbers) Add(number);
    if (!print_) return;
    std::printf("%10lld %.*s", static_cast<long long>(clock_.NowMs() % 10'000'000'000),
                static_cast<int>(what.size()), what.data());
    for (const uint64_t number : numbers) {
      std::printf(" %llu", static_cast<unsigned long long>(number));
    }
    std::printf("\n");
  }
  void Note(std::string_view what, TaskId task, std::initializer_list<uint64_t> numbers = {}) {
    Add(task.session);
    Add(task.sequence);
    if (print_) std::printf("%s: ", task.ToString().c_str());
    Note(what, numbers);
  }

  uint64_t hash() const { return hash_; }

 private:
  void Add(uint64_t number) {
    hash_ = (hash_ ^ number) * 0x100000001b3;
    hash_ ^= hash_ >> 29;
  }

  const Clock& clock_;
  const bool print_;
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace treadle::sim
