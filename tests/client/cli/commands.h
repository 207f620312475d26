#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/command_line.h"
#include <gtest/gtest.h>

#include "tests/support/local_server.h"
#include "tests/support/with_broker.h"

// Commands against a broker and a worker in this process.

namespace treadle::cli {

inline constexpr int kOk = 0;
inline constexpr int kTaskFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNotFound = 3;
inline constexpr int kTimeout = 5;
inline constexpr int kRefused = 6;
inline constexpr int kInterrupted = 130;

struct Ran {
  int exit_code;
  std::string out;
  std::string err;
};

// Handlers: "echo"; "fail", whose payload is the error; "hold", which runs until it is told to
// stop, but for the payload "bad".
class Commands : public test::WithBroker {
 protected:
  Commands() : worker_(*broker_, Loom(4)) {
    worker_->HandleRaw("echo", [](TaskContext&, Payload payload) { return payload; });
    worker_->HandleRaw("fail", [](TaskContext&, Bytes payload) -> absl::StatusOr<Bytes> {
      return Permanent(absl::NotFoundError(payload.data));
    });
    worker_->HandleRaw("hold",
                       [this](TaskContext& context, Bytes payload) -> absl::StatusOr<Bytes> {
                         if (payload.data == "bad")
                           return Permanent(absl::DataLossError("bad thread"));
                         held_++;
                         while (context.SleepFor(std::chrono::hours(1))) {
                         }
                         return absl::CancelledError("told to stop");
                       });
    worker_.Start();
  }
  ~Commands() override { EXPECT_TRUE(worker_.Stop().ok()); }

  static WorkerOptions Loom(int concurrency) {
    WorkerOptions options;
    options.name = "loom";
    options.concurrency = concurrency;
    return options;
  }

  Ran Treadle(std::vector<std::string> args, const std::string& input = "") {
    return Treadle(std::move(args), input, interrupt_);
  }
  Ran Treadle(std::vector<std::string> args, const std::string& input, Interrupt& interrupt) {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{in, out, err};
    args.insert(args.begin(), {"--broker", broker_->address(), "--connect-timeout", "60s"});
    const int exit_code = RunCommandLine(args, terminal, interrupt);
    return {exit_code, out.str(), err.str()};
  }

  // With Ctrl-C pressed again and again from `then` on, as an impatient person does.
  Ran Interrupted(std::vector<std::string> args, const std::function<void()>& then) {
    Interrupt interrupt;
    std::atomic<bool> ended{false};
    std::thread ctrl_c([&] {
      then();
      while (!ended && !interrupt.Fire(SIGINT)) std::this_thread::yield();
    });
    Ran ran = Treadle(std::move(args), "", interrupt);
    ended = true;
    ctrl_c.join();
    return ran;
  }

  std::string SubmitHold() {
    std::string id = Treadle({"submit", "--type", "hold"}).out;
    id.pop_back();
    return id;
  }
  void AwaitHeld(int count) {
    while (held_ < count) std::this_thread::yield();
  }

  Interrupt interrupt_;
  std::atomic<int> held_{0};
  testing::LocalWorker worker_;
};

}  // namespace treadle::cli
