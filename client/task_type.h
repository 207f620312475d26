#pragma once

#include <string_view>
#include <tuple>
#include <type_traits>

namespace treadle {

// Names a kind of task and says what goes in and what comes out. Client and worker include the same
// definition, so that the compiler checks both ends:
//
//   inline constexpr treadle::TaskType<int64_t(int64_t)> kSumSquares{"sum_squares"};
//
// Arguments and result travel as client/codec.h says; `void` results and no arguments are allowed.
// Reference and const parameters are taken as their plain types.
template <typename Signature>
class TaskType;

template <typename R, typename... Args>
class TaskType<R(Args...)> {
 public:
  using Result = R;
  using Arguments = std::tuple<std::decay_t<Args>...>;

  // `name` outlives this: a string literal. 1 to 255 bytes of UTF-8 without control characters; the
  // broker refuses others when a task is submitted.
  constexpr explicit TaskType(std::string_view name) : name_(name) {}

  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

}  // namespace treadle
