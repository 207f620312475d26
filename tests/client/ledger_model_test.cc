#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/ledger_fixture.h"

namespace treadle::client {
namespace {

// A broker that keeps its word, behind a connection that breaks at any moment and takes what is
// under way with it, in both directions. It may lose its store.
struct ModelBroker {
  struct Session {
    std::set<uint64_t> accepted;
    uint64_t floor = 1;
  };
  std::map<uint64_t, Session> sessions;
  uint64_t next_session = 1;
  std::map<std::string, TaskId> keys;
  std::map<TaskId, std::string> tasks;  // all that were accepted in this life, with their payload
  std::map<TaskId, std::string> lost;   // in earlier ones
  std::set<TaskId> ended;
  std::deque<v1::SessionRequest> to_broker;
  std::deque<v1::SessionResponse> to_client;
  std::set<TaskId> delivers;  // outcomes that this stream is owed
  uint64_t current = 0;

  void Receive(const v1::SessionRequest& request) {
    Session& session = sessions[current];
    v1::SessionResponse response;
    session.floor = std::max(session.floor, request.acknowledged_below());
    for (const auto& task : test::TasksOf(request)) {
      ASSERT_GE(task.sequence(), session.floor) << "sent again although it was answered";
      const TaskId id{current, task.sequence()};
      const std::string& key = task.task().request_key();
      if (!key.empty() && keys.contains(key) && keys[key] != id) {
        v1::ExistingTask& existing = *response.add_existing();
        existing.set_sequence(task.sequence());
        existing.set_task_id(keys[key].ToString());
        continue;
      }
      if (session.accepted.insert(task.sequence()).second) {
        tasks[id] = task.task().payload();
        delivers.insert(id);
        if (!key.empty()) keys[key] = id;
      }
      response.add_accepted()->set_first_sequence(task.sequence());
      response.mutable_accepted(response.accepted_size() - 1)->set_last_sequence(task.sequence());
    }
    for (const std::string& text : request.await_task_ids()) {
      const TaskId id = *TaskId::Parse(text);
      if (lost.contains(id)) {
        v1::UnknownTask& unknown = *response.add_unknown_tasks();
        unknown.set_task_id(text);
        unknown.mutable_status()->set_code(static_cast<int>(absl::StatusCode::kNotFound));
        continue;
      }
      ASSERT_TRUE(tasks.contains(id));
      delivers.insert(id);
      if (ended.contains(id)) AddOutcome(id, response);
    }
    to_client.push_back(response);
  }

  void AddOutcome(TaskId id, v1::SessionResponse& response) {
    v1::Outcome& outcome = *response.add_outcomes();
    outcome.set_task_id(id.ToString());
    outcome.set_state(v1::TASK_STATE_SUCCEEDED);
    outcome.set_result(tasks[id]);
    delivers.erase(id);
  }

  // Another life, without what the store of this one had.
  void LoseStore() {
    lost.merge(tasks);
    tasks.clear();
    ended.clear();
    keys.clear();
    sessions.clear();
    next_session += 100;
  }

  void FinishSome(std::mt19937& random) {
    v1::SessionResponse response;
    for (const auto& [id, payload] : tasks) {
      if (ended.contains(id) || random() % 4 != 0) continue;
      ended.insert(id);
      if (delivers.contains(id)) AddOutcome(id, response);
    }
    to_client.push_back(response);
  }
};

TEST_F(LedgerTest, NoSubmitIsLostOrDoubledOverBreakingConnections) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    ledger_ = Ledger();
    ModelBroker broker;
    std::vector<std::pair<FutureStateRef, std::string>> submits;
    bool open = false;
    const auto step = [&](bool faults) {
      if (!open) {
        broker.to_broker.clear();
        broker.to_client.clear();
        broker.delivers.clear();
        const bool forget = faults && random() % 5 == 0;
        if (forget) broker.sessions.erase(ledger_.session_id());
        if (faults && random() % 20 == 0) broker.LoseStore();
        const bool known = broker.sessions.contains(ledger_.session_id());
        broker.current = known ? ledger_.session_id() : broker.next_session++;
        broker.sessions[broker.current];
        Open(broker.current, known, 3);
        open = true;
      }
      if (faults && random() % 8 == 0) open = false;
      if (ledger_.HasNews() || random() % 4 == 0) broker.to_broker.push_back(Next());
      if (!broker.to_broker.empty() && random() % 2 == 0) {
        broker.Receive(broker.to_broker.front());
        broker.to_broker.pop_front();
      }
      if (random() % 3 == 0) broker.FinishSome(random);
      if (!broker.to_client.empty() && random() % 2 == 0) {
        ledger_.Handle(broker.to_client.front(), effects_);
        broker.to_client.pop_front();
      }
    };
    for (int i = 0; i < 100; ++i) {
      for (uint32_t n = random() % 3; n > 0; --n) {
        const std::string payload = "p" + std::to_string(submits.size());
        submits.emplace_back(Submit(payload, random() % 2 == 0 ? "key-" + payload : ""), payload);
      }
      step(true);
      if (HasFatalFailure()) return;
    }
    for (int i = 0; i < 100'000 && ledger_.pending() > 0; ++i) step(false);

    std::map<std::string, int> accepted;
    for (const auto& [id, payload] : broker.tasks) ++accepted[payload];
    std::set<std::string> was_lost;
    for (const auto& [id, payload] : broker.lost) was_lost.insert(payload);
    for (const auto& [state, payload] : submits) {
      ASSERT_TRUE(state->IsDone()) << payload;
      if (state->status.ok()) {
        EXPECT_EQ(state->result, payload);
        // Once in a life of the broker; in which one it ended may be lost by now.
        EXPECT_LE(accepted[payload], 1) << payload;
        EXPECT_TRUE(accepted[payload] == 1 || was_lost.contains(payload)) << payload;
      } else if (absl::IsNotFound(state->status)) {
        EXPECT_TRUE(broker.lost.contains(state->id)) << payload;
      } else {
        // Only the submit of a forgotten session, and never twice.
        EXPECT_EQ(state->status.code(), absl::StatusCode::kAborted);
        EXPECT_TRUE(state->task.request_key.empty());
        EXPECT_LE(accepted[payload], 1) << payload;
      }
    }
  }
}

}  // namespace
}  // namespace treadle::client
