#include "server/broker/reads.h"

#include <optional>
#include <vector>

namespace treadle::broker {
namespace {

// Two, so that the store's thread need not wait for the broker's between them.
constexpr size_t kUnderWayMax = 2;
// What a question costs as many bytes as, beside those that it reads.
constexpr int64_t kQuestionBytes = 1'024;

}  // namespace

Reads::Reads(const Bounds& bounds, store::Store& store, std::shared_ptr<Inbox> inbox,
             absl::AnyInvocable<void(absl::Status)> failed)
    : bounds_(bounds),
      store_(store),
      inbox_(std::move(inbox)),
      failed_(std::move(failed)),
      stored_(std::make_shared<StoredTasks>(store)) {}

// What is handed to the store's thread may outlive the broker: `this` is for what comes back.
void Reads::Begin(store::Store::Urgency urgency, Read read) {
  store_.ReadLater(
      urgency, [this, stored = stored_, inbox = inbox_, read = std::move(read)]() mutable {
        Then then = read(*stored);
        inbox->Found([this, failure = stored->TakeFailure(), then = std::move(then)]() mutable {
          if (!failure.ok()) return failed_(std::move(failure));
          then();
        });
      });
}

void Reads::Work(Read read) { Begin(store::Store::Urgency::kWork, std::move(read)); }

void Reads::Ask(engine::CallId call, Read question) { questions_.Add(call, std::move(question)); }

void Reads::StartQuestions() {
  while (under_way_.size() < kUnderWayMax && !questions_.empty()) StartSome();
}

void Reads::ForEachCall(absl::FunctionRef<void(engine::CallId)> visit) const {
  for (const auto& calls : under_way_) {
    for (const engine::CallId call : calls) visit(call);
  }
  questions_.ForEach([&](engine::CallId call, const Read&) { visit(call); });
}

void Reads::StartSome() {
  std::vector<std::pair<engine::CallId, Read>> some;
  while (static_cast<int64_t>(some.size()) < bounds_.questions_max) {
    std::optional<std::pair<engine::CallId, Read>> next = questions_.Next();
    if (!next.has_value()) break;
    some.push_back(*std::move(next));
  }
  std::vector<engine::CallId>& calls = under_way_.emplace_back();
  for (const auto& [call, question] : some) calls.push_back(call);
  Begin(store::Store::Urgency::kQuestion,
        [this, bytes_max = bounds_.bytes_max,
         some = std::move(some)](StoredTasks& stored) mutable -> Then {
          std::vector<std::pair<Then, int64_t>> answers;  // and what they cost
          const int64_t stop_at_bytes = stored.bytes_read() + bytes_max;
          while (answers.size() < some.size() && stored.bytes_read() < stop_at_bytes) {
            const int64_t before = stored.bytes_read();
            Then then = some[answers.size()].second(stored);
            answers.emplace_back(std::move(then), kQuestionBytes + stored.bytes_read() - before);
          }
          return [this, answers = std::move(answers), some = std::move(some)]() mutable {
            under_way_.pop_front();
            for (size_t i = some.size(); i > answers.size(); --i) {
              questions_.GiveBack(some[i - 1].first, std::move(some[i - 1].second));
            }
            for (size_t i = 0; i < answers.size(); ++i) {
              questions_.Done(some[i].first, answers[i].second);
              answers[i].first();
            }
          };
        });
}

}  // namespace treadle::broker
