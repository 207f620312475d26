// sim [--seed N | --seeds A..B] [--steps M] [--print] [--skip-fsync-wait]
//     [--expect-violation PROMISE] [--expect-stalls]
//
// Runs the broker and its engine in a simulated world, faults and all, and checks the promises of
// design.md. A seed decides everything: `--seed N --steps M` is the same run every time, and its
// hash says so. Exit code 0: every promise was kept. With --expect-violation: there is a seed with
// which the first promise that is broken is the one of that number. A break may break others first,
// or fail an assertion. With --expect-stalls: the broker has found some, and has come to the end of
// every run all the same.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include <sys/wait.h>

#include "tests/sim/simulation.h"

namespace {

int expected_promise = 0;  // 0: none is broken
treadle::sim::RunOptions options;

// An assertion has failed, in the engine or in the broker: that is a finding too.
void OnAbort(int) {
  char text[96];
  const int size = std::snprintf(text, sizeof(text), "seed %llu: assertion failed\n",
                                 static_cast<unsigned long long>(options.seed));
  (void)!write(STDERR_FILENO, text, static_cast<size_t>(size));
  _exit(1);
}

void Tell(const treadle::sim::RunResult& result) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
              result.violation->c_str());
  std::printf("again: sim --seed %llu --steps %lld --print\n",
              static_cast<unsigned long long>(options.seed), static_cast<long long>(options.steps));
}

// Whether the seed breaks the expected promise; in a child, because an assertion that fails ends
// the process.
bool BreaksExpected() {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const treadle::sim::RunResult result = treadle::sim::Run(options);
    const bool expected = result.violation.has_value() && result.promise == expected_promise;
    if (expected) Tell(result);
    std::fflush(stdout);
    _exit(expected ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

int FindExpected(uint64_t first, uint64_t last) {
  for (options.seed = first; options.seed <= last; ++options.seed) {
    if (BreaksExpected()) return 0;
  }
  std::printf("no seed breaks promise %d\n", expected_promise);
  return 1;
}

[[noreturn]] void Usage() {
  std::fprintf(stderr,
               "usage: sim [--seed N | --seeds A..B] [--steps M] [--print] [--skip-fsync-wait] "
               "[--expect-violation PROMISE] [--expect-stalls]\n");
  std::exit(2);
}

template <typename Number>
Number Parse(std::string_view text) {
  Number number = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number)) Usage();
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t first = 1;
  uint64_t last = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto value = [&]() -> std::string_view {
      if (++i == argc) Usage();
      return argv[i];
    };
    if (flag == "--seed") {
      first = last = Parse<uint64_t>(value());
    } else if (flag == "--seeds") {
      const std::string_view range = value();
      const size_t dots = range.find("..");
      if (dots == std::string_view::npos) Usage();
      first = Parse<uint64_t>(range.substr(0, dots));
      last = Parse<uint64_t>(range.substr(dots + 2));
    } else if (flag == "--steps") {
      options.steps = Parse<int64_t>(value());
    } else if (flag == "--print") {
      options.print = true;
    } else if (flag == "--skip-fsync-wait") {
      options.skip_fsync_wait = true;
    } else if (flag == "--expect-stalls") {
      options.expect_stalls = true;
    } else if (flag == "--expect-violation") {
      expected_promise = Parse<int>(value());
    } else {
      Usage();
    }
  }
  std::signal(SIGABRT, OnAbort);
  if (expected_promise != 0) return FindExpected(first, last);

  treadle::sim::Oracle::Counts sum;
  treadle::sim::Faults faults;
  uint64_t turns = 0;
  int64_t simulated_ms = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    options.seed = seed;
    const treadle::sim::RunResult result = treadle::sim::Run(options);
    if (first == last)
      std::printf("seed %llu: hash %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(result.hash));
    if (result.violation.has_value()) {
      Tell(result);
      return 1;
    }
    sum.Add(result.counts);
    faults.Add(result.faults);
    turns += result.turns;
    simulated_ms += result.simulated_ms;
  }
  if (options.expect_stalls) {
    std::printf("the broker has found %lld stalls\n", static_cast<long long>(sum.stalls));
    if (sum.stalls == 0) return 1;
  }
  std::printf("%llu seeds of %lld steps kept every promise: %llu turns, %lld simulated seconds\n",
              static_cast<unsigned long long>(last - first + 1),
              static_cast<long long>(options.steps), static_cast<unsigned long long>(turns),
              static_cast<long long>(simulated_ms / 1'000));
  std::printf("%s\n%s\n", sum.ToString().c_str(), faults.ToString().c_str());
  return 0;
}
