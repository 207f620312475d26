#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/internal/handler.h"
#include "treadle/internal/typed_handler.h"
#include "treadle/log.h"
#include "treadle/milliseconds.h"
#include "treadle/permanent_error.h"
#include "treadle/retry_after.h"
#include "treadle/run_in.h"
#include "treadle/task_context.h"
#include "treadle/task_type.h"

namespace treadle {

class Client;

namespace worker {
class Guard;
class Handlers;
class HandlersOf;
}  // namespace worker

// Of WorkerOptions::around.
using Around = std::function<void(TaskContext& context, absl::FunctionRef<absl::Status()> call)>;

// What a worker has done, and is doing. Counted as it happens, so that asking costs nothing.
struct WorkerStats {
  struct Pool {
    Pool() = default;

    std::string name;  // "thread", "process", "coroutine"
    int32_t slots = 0;
    int32_t running = 0;
    int32_t waiting = 0;  // fetched ahead
  };
  WorkerStats() = default;

  // Attempts that ended, since the start. Stopped: because they were told to. Released: handed
  // back.
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t stopped = 0;
  int64_t released = 0;
  int64_t leases_lost = 0;
  int64_t reconnects = 0;
  // Now.
  int64_t unacknowledged = 0;  // reports that the broker has not acknowledged
  std::vector<Pool> pools;     // none before Run has started them
};

struct WorkerOptions {
  WorkerOptions() = default;
  explicit WorkerOptions(std::string broker_in) : broker(std::move(broker_in)) {}

  // HOST:PORT, brackets around an IPv6 address. Empty: that of the environment's TREADLE_BROKER,
  // or, without one, 127.0.0.1:7733.
  std::string broker;
  // Reach it through the proxy that http_proxy, https_proxy or grpc_proxy names in the environment.
  bool http_proxy = false;
  std::vector<std::string> queues = {"default"};  // 1 to 256, which need not exist yet
  std::string name;                               // for people; empty: "<host>:<process id>"
  // For operators, who drain workers by them: at most 16, keys of 1 to 63 bytes, values of at most
  // 255.
  std::map<std::string, std::string> labels;
  // Tasks that run at once on threads. 0: one for each CPU. At most 10,000.
  int concurrency = 0;
  // Tasks that run at once in child processes, which are started when a handler is to run there. 0:
  // one for each CPU. At most 1,000.
  int processes = 0;
  // Tasks that run at once as coroutines. At most 30,000.
  int coroutines = 10'000;
  // Where types run, whatever their handlers were registered with: for operators. A handler that is
  // no coroutine cannot run as one; a coroutine runs anywhere.
  std::map<std::string, RunIn> run_in;
  // For each pool: tasks fetched ahead of a free slot, so that none waits for the network between
  // two short tasks. None: as many as the pool uses up in a quarter of a second, measured all the
  // time; so nothing is fetched ahead of long tasks. What was fetched runs before what comes later,
  // whatever its priority: 0 keeps a queue's order exactly. At most 40,000, and all pools together
  // hold, with what runs, no more than 50,000: each fetches ahead an equal share of that at most.
  std::optional<int> prefetch;
  // These times, and those below, are at most 366 days.
  //
  // After Stop: how long running tasks may go on before they are told to stop, and how long they
  // have then before they are handed back to the broker as they are.
  Milliseconds drain_timeout{30'000};
  Milliseconds stop_grace{5'000};
  // Called around each call of a handler, where that runs (in the child process, too): for tracing,
  // timing, what handlers need around them. It calls `call` once, which returns how the attempt
  // ended and never throws; a void handler's CANCELLED says that it stopped. When it does not call
  // it, or throws, the attempt fails. Not around handlers that run as coroutines on the event loop:
  // what they do between two co_awaits is no call; they have TaskContext::headers.
  Around around;
  // What TaskContext::client gives handlers: called when the first of them asks for it, once in
  // each process (child processes have their own), and again after a failure:
  //   options.connect_client = [] { return treadle::Client::Connect(); };
  // None: they have no client.
  std::function<absl::StatusOr<std::shared_ptr<Client>>()> connect_client;
  // Called on each thread before its first task, with the thread's number.
  std::function<void(int thread)> thread_initializer;
  // Called in each child process before its first task, with the child's number.
  std::function<void(int child)> process_initializer;
  // A child process is replaced after so many tasks. 0: never.
  int64_t max_tasks_per_child = 0;
  // In each child process. Where the worker's cgroup is delegated to it (cgroup v2; systemd:
  // Delegate=memory): of all memory that the process and what it starts use; beyond it they are
  // ended, which costs the task that runs an attempt. Elsewhere: of the process's data
  // (RLIMIT_DATA); beyond it allocations fail. Which of them is logged at the start. 0: no bound.
  int64_t child_memory_bytes_max = 0;
  // Of CPU time in one task in a child process, in whole seconds, rounded up: beyond it the process
  // is ended by SIGXCPU. 0: no bound.
  Milliseconds child_cpu_time_max{0};
  // What child processes are started with, the program's name first. None: what this program was
  // started with.
  std::vector<std::string> child_arguments;
  // Ends child processes, and what they have started in groups of their own, with this process,
  // whatever ends it (treadle/guard.h): `*treadle::StartGuard()`, first thing in main(). None:
  // children see to it themselves, which they cannot when they are killed together with it.
  std::shared_ptr<worker::Guard> guard;
  // A handler in a child process that was told to stop (its task was cancelled, or timed out) gets
  // SIGTERM after the first, and SIGKILL after both.
  Milliseconds terminate_after{2'000};
  Milliseconds kill_after{2'000};
  // None: warnings go to stderr.
  Log log;
};

// Serves tasks: holds handlers, takes tasks of their types from a broker, runs them, and reports
// how they ended. Heartbeats, reconnecting, and telling again what the broker may have missed
// happen by themselves.
//
//   int main() {
//     treadle::Worker worker(treadle::WorkerOptions("broker.example:7733"));
//     worker.Handle(kSumSquares, [](treadle::TaskContext&, int64_t n) { return SumSquares(n); });
//     return worker.RunUntilSignal();
//   }
//
// A task may run more than once (its worker may die, or lose its lease, after the work was done):
// handlers with effects outside look at TaskContext::task_id() to know it again.
//
// Handle and HandleRaw come before Run, on one thread. Handlers are called on many threads at once.
//
// Child processes (RunIn::kProcess) are this program, started again with the same arguments (or
// with WorkerOptions::child_arguments): main() runs in them too, as far as Run, which there runs
// tasks for its parent instead, and never returns. So what main() does before Run happens in every
// child: let it register handlers and read flags; what must happen only once (binding ports,
// writing files, printing) is for !Worker::InChild(). Do not use gRPC before Run in a child, and
// have the Workers of a program be made in the same order each time.
class Worker {
  template <typename F>
  using RawArgument =
      std::conditional_t<std::is_invocable_v<F&, TaskContext&, Payload>, Payload, Bytes>;
  template <typename F, typename Arguments>
  static constexpr RunIn kDefault =
      worker::kIsCoroutine<F, Arguments> ? RunIn::kCoroutine : RunIn::kThread;

 public:
  explicit Worker(WorkerOptions options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Takes tasks of this type. `handler` is called as handler(TaskContext&, arguments...) and
  // returns the type's result, or absl::StatusOr of it; for `void` results nothing, or
  // absl::Status. An error or an exception fails the attempt: its error type is the status code's
  // name ("NOT_FOUND") or the exception's type. PermanentError and Permanent() fail the task
  // without another attempt, and so do arguments that cannot be decoded; RetryAfterError and
  // RetryAfter() say when the next one is of use.
  //
  // A handler that returns asio::awaitable of one of these is a coroutine, and runs as one unless
  // `run_in` says otherwise: include treadle/coroutine.h.
  template <typename R, typename... Args, typename F>
  void Handle(const TaskType<R(Args...)>& type, F handler,
              RunIn run_in = kDefault<F, typename TaskType<R(Args...)>::Arguments>) {
    AddTyped<R, typename TaskType<R(Args...)>::Arguments>(type.name(), std::move(handler), run_in);
  }

  // As Handle, for payloads that the handler reads itself: called as handler(TaskContext&, Payload)
  // or handler(TaskContext&, Bytes), returns any type that has a Codec, or absl::StatusOr of one,
  // or absl::Status, or nothing.
  template <typename F>
  void HandleRaw(std::string_view type, F handler,
                 RunIn run_in = kDefault<F, std::tuple<RawArgument<F>>>) {
    using Arguments = std::tuple<RawArgument<F>>;
    using Returned = typename worker::ReturnOf<F, Arguments>::Type;
    using Result = worker::PlainResult<typename worker::AwaitedOf<Returned>::Type>;
    AddTyped<Result, Arguments>(type, std::move(handler), run_in);
  }

  // This process is a child of a process pool: Run will not return.
  static bool InChild();

  // Serves until Stop, on this thread. OK: everything was finished, or handed back, and the broker
  // knows. Otherwise:
  //   INVALID_ARGUMENT, FAILED_PRECONDITION  an option is out of bounds, a type has two handlers,
  //                                          there are none, an initializer threw, or child
  //                                          processes do not get ready
  //   RESOURCE_EXHAUSTED                     the system has no more threads, processes, descriptors
  //   any code of a refusal                  the broker does not accept this worker
  //   ABORTED                                handlers did not stop, and still run: end the process
  //   DEADLINE_EXCEEDED                      the broker did not acknowledge the last reports
  // A broker that cannot be reached is waited for. Once.
  absl::Status Run();

  // Run, for main: SIGTERM or SIGINT stops it (Stop), a second one ends the process at once with
  // exit code 128 + its number. Returns main's exit code: 0 when Run's status is OK, otherwise 1,
  // and WorkerOptions::log was told why. When handlers did not stop (ABORTED) it ends the process
  // itself, since nothing that they use may be taken down under them.
  //
  // The program's own handlers of both signals are put back afterwards. SIGHUP is left to it. Once
  // at a time in a process.
  int RunUntilSignal();

  // Thread-safe.
  WorkerStats Stats() const;

  // Drains: takes nothing new, hands back what has not begun, lets the rest finish within
  // drain_timeout. Thread-safe, returns at once.
  void Stop();
  // Makes Run return at once. The broker runs again what was running, when the leases have expired.
  // Thread-safe.
  void Abort();

 private:
  class Impl;
  friend class worker::HandlersOf;  // treadle/testing/call.h runs them in place

  const worker::Handlers& handlers() const;
  template <typename R, typename Arguments, typename F>
  void AddTyped(std::string_view type, F handler, RunIn run_in) {
    if constexpr (worker::kIsCoroutine<F, Arguments>) {
      Add(type, worker::TypedCoroutine<R, Arguments>(std::move(handler)), run_in);
    } else {
      Add(type, worker::TypedHandler<R, Arguments>(std::move(handler)), run_in);
    }
  }
  void Add(std::string_view type, worker::Handler handler, RunIn run_in);
  void Add(std::string_view type, std::shared_ptr<const worker::CoroutineHandler> handler,
           RunIn run_in);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace treadle
