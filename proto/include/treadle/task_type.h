#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace treadle {

// A value that owns what it consists of: what travels is decoded into one, and a view into bytes
// that are gone by then would dangle. No pointers, references to be kept, string views, spans, nor
// containers of them.
template <typename T>
struct OwnsItsData
    : std::bool_constant<!std::is_pointer_v<T> && !std::is_member_pointer_v<T> &&
                         !std::ranges::enable_view<T> && !std::ranges::enable_borrowed_range<T> &&
                         !std::is_same_v<T, absl::string_view>> {};
template <typename T>
struct OwnsItsData<std::reference_wrapper<T>> : std::false_type {};
template <typename T>
struct OwnsItsData<std::initializer_list<T>> : std::false_type {};
template <typename T>
struct OwnsItsData<absl::Span<T>> : std::false_type {};
template <template <typename...> typename Container, typename... Parts>
struct OwnsItsData<Container<Parts...>>
    : std::bool_constant<!std::ranges::enable_view<Container<Parts...>> &&
                         !std::ranges::enable_borrowed_range<Container<Parts...>> &&
                         (OwnsItsData<Parts>::value && ...)> {};
template <typename T, size_t kSize>
struct OwnsItsData<std::array<T, kSize>> : OwnsItsData<T> {};

// Names a kind of task and says what goes in and what comes out. Client and worker include the same
// definition, so that the compiler checks both ends:
//
//   inline constexpr treadle::TaskType<int64_t(int64_t)> kSumSquares{"sum_squares"};
//
// Arguments and result travel as treadle/codec.h says; `void` results and no arguments are allowed.
// Reference and const parameters are taken as their plain types; all must own their data.
template <typename Signature>
class TaskType;

template <typename R, typename... Args>
class TaskType<R(Args...)> {
  static_assert((OwnsItsData<std::decay_t<Args>>::value && ... && OwnsItsData<R>::value),
                "arguments and results must own their data: take std::string in place of "
                "std::string_view or const char*, std::vector in place of std::span");

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
