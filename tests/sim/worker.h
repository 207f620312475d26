#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/network.h"
#include "tests/sim/work.h"

namespace treadle::sim {

// A worker process, and when it has died or left, the next one in its place.
class Worker final : public Peer {
 public:
  Worker(uint64_t number, Timeline& timeline, Random& random, Trace& trace, Network& network,
         Oracle& oracle);

  void Act(bool calm);
  // Its process ends, and no other begins.
  void Leave();

  void Receive(engine::CallId call, broker::Delivery& delivery) override;
  void Lost(engine::CallId call) override;

 private:
  enum class State { kWaiting, kConfirming, kRunning, kReported };
  struct Job {
    engine::Lease lease;
    State state = State::kWaiting;
    bool told_started = false;
    bool stop = false;
    bool timed_out = false;
    engine::StopReason reason = engine::StopReason::kNone;
    engine::EndAttempt end;  // reported
    broker::BodyPtr result;
    uint64_t report = 0;  // the sequence it was sent with; 0: on no stream of now
    uint64_t run = 0;     // tells this run's timer from an older one's
    // Entries of output: said, sent on this stream, and stored as the broker says.
    uint64_t said = 0;
    uint64_t sent = 0;
    uint64_t handled = 0;
  };

  void Begin();
  void Drain();
  void Connect();
  void Attached(const engine::WorkerAttached& event);
  void Take(const broker::Leased& leased);
  void Hear(broker::Delivery& delivery);
  void Flush();
  void StartJobs();
  void Run(Job& job);
  void Finish(engine::Token token, uint64_t run);
  void Report(Job& job, engine::AttemptEnd end);
  void SayOutput(std::vector<broker::Request>& requests);
  void SayReports(std::vector<broker::Request>& requests);
  void SayReportsAgain();
  std::vector<broker::Request> ReportsOn(const std::vector<const Job*>& jobs);
  broker::Request ReportOn(const std::vector<const Job*>& run) const;
  bool Continues(const Job& before, const Job& job);
  void ReportOver();
  void Die();
  int Slots(int32_t pool) const;

  const uint64_t number_;
  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Network& network_;
  Oracle& oracle_;

  uint64_t process_ = 0;
  std::string worker_id_;
  std::vector<std::string> queues_;
  std::vector<engine::PoolSpec> pools_;
  uint64_t starts_one_in_ = 2;  // running jobs, whose start a message tells
  int32_t prefetch_ = 0;
  int64_t begins_at_ms_ = 0;  // the next process
  int64_t stalled_until_ms_ = 0;
  bool calm_ = false;
  bool draining_ = false;
  bool broken_ = false;  // what it runs fails
  bool mute_ = false;    // never tells what it starts, as those written by others may
  int64_t drained_at_ms_ = 0;

  engine::CallId call_{};
  bool attached_ = false;
  std::vector<int32_t> granted_;  // unused credit, of each pool
  uint64_t next_report_ = 1;
  uint64_t next_run_ = 1;
  std::map<engine::Token, Job> jobs_;
  std::vector<broker::Delivery> unheard_;  // while stalled
};

}  // namespace treadle::sim
