#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/ledger/ledger.h"
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "tests/support/runs.h"

namespace treadle::client {

class NoHome final : public FutureHome {
 public:
  void RequestCancel(FutureStateRef) override { FAIL() << "nobody cancels here"; }
  void RequestAnswer() override {}
};

// A ledger, and what stands around it.
class LedgerTest : public ::testing::Test {
 protected:
  FutureStateRef Submit(const std::string& payload, const std::string& key = "") {
    FutureStateRef state(new FutureState(&home_));
    state->task = {common_, payload, key};
    ledger_.Submit(state);
    return state;
  }

  FutureStateRef Attach(TaskId id) {
    FutureStateRef state(new FutureState(&home_));
    state->id = id;
    ledger_.Attach(state);
    return state;
  }

  void Open(uint64_t session_id, bool resumed = false, int batch = 100) {
    v1::SessionOpened opened;
    opened.set_session_id(session_id);
    opened.set_resumed(resumed);
    opened.set_batch_tasks_max(batch);
    opened.set_payload_bytes_max(limits::kPayloadBytesMax);
    opened.set_message_bytes_max(2 * limits::kPayloadBytesMax);
    ledger_.StreamOpened(opened, effects_);
  }

  v1::SessionRequest Next() {
    v1::SessionRequest request;
    bool answer_may_wait = true;
    EXPECT_TRUE(request.ParseFromString(ledger_.NextMessage(effects_, answer_may_wait)));
    EXPECT_EQ(request.answer_may_wait(), answer_may_wait);
    return request;
  }

  void Accept(uint64_t first, uint64_t last) {
    v1::SessionResponse response;
    response.add_accepted()->set_first_sequence(first);
    response.mutable_accepted(0)->set_last_sequence(last);
    response.mutable_accepted(0)->set_durability(v1::DURABILITY_WRITTEN);
    ledger_.Handle(response, effects_);
  }

  void Succeed(TaskId id, const std::string& result) {
    v1::SessionResponse response;
    v1::Outcome& outcome = *response.add_outcomes();
    outcome.set_task_id(id.ToString());
    outcome.set_state(v1::TASK_STATE_SUCCEEDED);
    outcome.set_result(result);
    ledger_.Handle(response, effects_);
  }

  void Unknown(TaskId id) {
    v1::SessionResponse response;
    response.add_unknown_tasks()->set_task_id(id.ToString());
    ledger_.Handle(response, effects_);
  }

  static std::vector<uint64_t> Sequences(const v1::SessionRequest& request) {
    std::vector<uint64_t> sequences;
    for (const auto& task : test::TasksOf(request)) sequences.push_back(task.sequence());
    return sequences;
  }

  static std::string Payload(const v1::SessionRequest& request, size_t index) {
    return test::TasksOf(request).at(index).task().payload();
  }

  NoHome home_;
  Effects effects_;
  Ledger ledger_;
  const std::shared_ptr<const std::string> common_ = std::make_shared<const std::string>();
};

}  // namespace treadle::client
