#pragma once

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/live_engine.h"

namespace treadle::engine {

inline constexpr CallId kClient{1};
inline constexpr CallId kWorker{2};
inline constexpr CallId kOther{3};

inline Token After(Token token, uint64_t index) {
  return Token{static_cast<uint64_t>(token) + index};
}

inline EndAttempt Succeeded(CallId call, Token first, std::vector<uint32_t> result_sizes) {
  EndAttempt end{.call = call, .token = first};
  end.body.bytes = std::accumulate(result_sizes.begin(), result_sizes.end(), uint64_t{0});
  end.result_sizes = std::move(result_sizes);
  return end;
}

template <typename Said>
std::vector<Said> Heard(const Effects& effects) {
  std::vector<Said> heard;
  for (const Output& output : effects.outputs) {
    if (const Said* const said = std::get_if<Said>(&output.event)) heard.push_back(*said);
  }
  return heard;
}

inline std::vector<Lease> LeasesOf(CallId call, const Effects& effects) {
  std::vector<Lease> leases;
  for (const Dispatched& dispatched : Heard<Dispatched>(effects)) {
    if (dispatched.call != call) continue;
    leases.insert(leases.end(), dispatched.leases.begin(), dispatched.leases.end());
  }
  return leases;
}

// An engine with a session, to which runs are submitted.
class RunTest : public testing::Test, public LiveEngine {
 protected:
  RunTest() { Step(OpenSession{kClient}); }

  // Of session 1, with payloads of 10, 20, 30, ... bytes.
  void SubmitRun(uint64_t first, uint32_t tasks, const std::string& queue = "mail") {
    Submit submit;
    submit.call = kClient;
    submit.id = TaskId{1, first};
    submit.spec.queue = queue;
    submit.spec.type = "send";
    for (uint32_t i = 1; i <= tasks; ++i) {
      submit.payload_sizes.push_back(10 * i);
      submit.spec.payload_bytes += 10 * i;
    }
    Step(std::move(submit));
  }
  void Attach(CallId call, const std::string& worker, std::vector<Token> held_tokens = {}) {
    AttachWorker attach;
    attach.call = call;
    attach.worker_id = worker;
    attach.queues = {"mail", "news"};
    attach.pools = {PoolSpec{"thread", 1}};
    attach.held_tokens = std::move(held_tokens);
    Step(std::move(attach));
  }
  // A run of so many tasks, which one worker holds, and nothing else.
  Lease LeaseOfRun(uint32_t tasks) {
    SubmitRun(1, tasks);
    Attach(kWorker, "w1");
    Step(AddCredit{kWorker, 0, static_cast<int32_t>(tasks)});
    const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
    EXPECT_THAT(leases, testing::SizeIs(1));
    return leases.at(0);
  }
};

}  // namespace treadle::engine
