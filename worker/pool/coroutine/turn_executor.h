#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <asio/execution.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>

#include "worker/pool/coroutine/loop_watch.h"

namespace treadle::worker {

// An Asio executor that belongs to one run: whatever it executes is a turn of that run. Otherwise
// it is its inner executor; made after asio::strand.
template <typename Inner>
class TurnExecutor {
 public:
  TurnExecutor(Inner inner, std::shared_ptr<WatchedRun> run)
      : inner_(std::move(inner)), run_(std::move(run)) {}

  template <typename Property>
  requires asio::can_query<const Inner&, Property>::value decltype(auto) query(
      const Property& property) const
      noexcept(asio::is_nothrow_query<const Inner&, Property>::value) {
    return Forward<typename asio::query_result<const Inner&, Property>::type>(property);
  }
  template <typename Property>
  requires asio::can_require<const Inner&, Property>::value auto require(
      const Property& property) const {
    return With(asio::require(inner_, property));
  }
  template <typename Property>
  requires asio::can_prefer<const Inner&, Property>::value auto prefer(
      const Property& property) const {
    return With(asio::prefer(inner_, property));
  }

  template <typename Function>
  void execute(Function function) const {
    asio::execution::execute(inner_, [run = run_, function = std::move(function)]() mutable {
      const WatchedRun::Turn turn(*run);
      std::move(function)();
    });
  }

  friend bool operator==(const TurnExecutor& a, const TurnExecutor& b) noexcept {
    return a.inner_ == b.inner_ && a.run_ == b.run_;
  }
  friend bool operator!=(const TurnExecutor& a, const TurnExecutor& b) noexcept {
    return !(a == b);
  }

 private:
  // A reference stays one.
  template <typename Result, typename Property>
  Result Forward(const Property& property) const {
    return asio::query(inner_, property);
  }
  template <typename Other>
  TurnExecutor<std::decay_t<Other>> With(Other&& other) const {
    return TurnExecutor<std::decay_t<Other>>(std::forward<Other>(other), run_);
  }

  Inner inner_;
  std::shared_ptr<WatchedRun> run_;
};

}  // namespace treadle::worker
