#include "tests/sim/follower.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

namespace treadle::sim {

using engine::CallId;

Follower::Follower(Timeline& timeline, Random& random, Trace& trace, Network& network,
                   Oracle& oracle)
    : timeline_(timeline), random_(random), trace_(trace), network_(network), oracle_(oracle) {}

void Follower::Act(bool calm) {
  if (timeline_.NowMs() < stopped_until_ms_ && !calm) return;
  if (call_ != CallId{}) {
    if (!calm && random_.OneIn(40)) network_.Break(call_);
    return;
  }
  if (task_ == TaskId{}) {
    const auto& tasks = oracle_.ledger().tasks;
    if (calm || tasks.empty()) return;
    // One of the newest: it is likely to run yet.
    const auto back = static_cast<int64_t>(random_.Below(std::min<size_t>(tasks.size(), 8)));
    task_ = std::next(tasks.rbegin(), back)->first;
    trace_.Note("follow", task_);
  }
  if (!calm && random_.OneIn(20)) {
    stopped_until_ms_ = timeline_.NowMs() + random_.Between(0, 5'000);
    return;
  }
  Ask();
}

void Follower::Ask() {
  call_ = network_.OpenUnary(*this, broker::Lane::kQuestions);
  const int64_t bytes_max = random_.Between(1, 200);
  broker::AskQuery ask{
      call_,
      [this, call = call_, task = task_, offset = offset_,
       bytes_max](const broker::View& view) -> std::variant<broker::Answer, broker::Look> {
        const bool ended = !view.engine.IsUnfinished(task);
        const engine::OutputRow* const output = view.Output(task);
        const uint64_t before = ended ? UINT64_MAX : output == nullptr ? 0 : output->next;
        return broker::Look([=, this](broker::StoredTasks& stored) -> broker::Answer {
          auto page = stored.ReadOutput(task, offset, before, bytes_max);
          return [this, call, ended, page = std::move(page)] {
            if (page.ok() && call == call_) Read(call, *page, ended);
          };
        });
      }};
  std::vector<broker::Request> requests;
  requests.push_back({broker::AwaitOutput{task_, offset_, std::move(ask)}, nullptr});
  network_.Send(call_, std::move(requests));
}

void Follower::Read(CallId call, const broker::OutputPage& page, bool ended) {
  for (const engine::OutputPieceRow& piece : page.pieces) Read(piece);
  if (page.next < offset_) {
    throw Violation(Promise::kSafeToRepeat, "reading output goes back");
  }
  offset_ = page.next;
  network_.Close(call);
  call_ = {};
  if (!ended || !page.all) return;
  oracle_.CheckRead(task_, read_);
  StoreLost();
}

void Follower::Read(const engine::OutputPieceRow& piece) {
  const std::string what =
      absl::StrCat("output of ", task_.ToString(), " from offset ", piece.first);
  if (piece.task != task_ || piece.first < offset_ || piece.token < last_) {
    throw Violation(Promise::kSafeToRepeat, absl::StrCat(what, " comes twice, or out of order"));
  }
  last_ = piece.token;
  for (const engine::OutputEntry& entry : piece.entries) {
    trace_.Note("read", task_, {offset_});
    offset_ = piece.first + static_cast<uint64_t>(&entry - piece.entries.data());
    read_[offset_++] = entry.data;
  }
}

void Follower::StoreLost() {
  task_ = {};
  offset_ = 0;
  read_.clear();
  last_ = {};
  if (call_ != CallId{}) network_.Close(std::exchange(call_, CallId{}));
}

void Follower::Leave() { StoreLost(); }

std::string Follower::Left() const {
  return task_ == TaskId{} ? "" : absl::StrCat("the output of ", task_.ToString(), " is read; ");
}

void Follower::Receive(CallId call, broker::Delivery&) {
  if (call != call_) return;
  network_.Close(call);
  call_ = {};
}

void Follower::Lost(CallId call) {
  if (call == call_) call_ = {};
}

}  // namespace treadle::sim
