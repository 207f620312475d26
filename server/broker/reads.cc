#include "server/broker/reads.h"

#include <optional>

namespace treadle::broker {
namespace {

// Two, so that the store's thread need not wait for the broker's between them.
constexpr int kUnderWayMax = 2;

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
  while (under_way_ < kUnderWayMax && !questions_.empty()) StartSome();
}

void Reads::StartSome() {
  std::vector<std::pair<engine::CallId, Read>> some;
  while (static_cast<int64_t>(some.size()) < bounds_.questions_max) {
    std::optional<std::pair<engine::CallId, Read>> next = questions_.Next();
    if (!next.has_value()) break;
    some.push_back(*std::move(next));
  }
  ++under_way_;
  Begin(store::Store::Urgency::kQuestion,
        [this, some = std::move(some)](StoredTasks& stored) mutable -> Then {
          std::vector<Then> answers;
          const int64_t stop_at_bytes = stored.bytes_read() + bounds_.bytes_max;
          size_t asked = 0;
          while (asked < some.size() && stored.bytes_read() < stop_at_bytes) {
            answers.push_back(some[asked++].second(stored));
          }
          some.erase(some.begin(), some.begin() + static_cast<ptrdiff_t>(asked));
          return [this, answers = std::move(answers), left = std::move(some)]() mutable {
            --under_way_;
            for (auto& [call, question] : left) Ask(call, std::move(question));
            for (Then& answer : answers) answer();
          };
        });
}

}  // namespace treadle::broker
