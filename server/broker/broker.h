#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "proto/support/clock.h"
#include "server/broker/delivery.h"
#include "server/broker/figures.h"
#include "server/broker/span.h"
#include "server/engine/engine.h"
#include "server/store/store.h"

namespace treadle::broker {

struct BrokerOptions {
  engine::EngineOptions engine;
  int64_t payload_cache_bytes_max = int64_t{256} << 20;
  // Submits are refused with RESOURCE_EXHAUSTED while the store's device has less free: completions
  // must still fit.
  int64_t free_disk_bytes_min = int64_t{256} << 20;
  // Requests posted and not yet done, of each lane; beyond it Post refuses, and PostFrom holds its
  // stream.
  int64_t inbox_requests_max = 1'000'000;
  int64_t inbox_bytes_max = int64_t{1} << 30;
  // What one turn takes from the inbox. What it makes of its requests is to stay in a processor's
  // cache: ten times as many cost half as much again for each task (tests/bench/broker_bench), ten
  // times fewer a fifth. A turn may go beyond by what it takes at once: 64 requests, one body.
  int64_t turn_requests_max = 1'000;
  int64_t turn_bytes_max = int64_t{8} << 20;  // of payloads and results
  int64_t turn_ms_max = 50;
  // What one turn reads for those who ask: stored outcomes, views.
  int64_t turn_reads_max = 1'000;
  int64_t turn_read_ms_max = 5;
  // What was asked for and not read yet. Beyond it clients' requests wait; beyond twice as much
  // questions, too.
  int64_t pending_reads_max = 100'000;
  // Run takes a turn at least this often. A longer time between two turns (the process was stopped,
  // the machine paused), and in which a store that is waited for returns nothing, is time in which
  // the broker did not listen: see engine::Engine::AddDeafTime.
  int64_t listen_ms = 200;
  // Payloads of submits that wait for room in a full queue. Beyond it submits do not wait: they are
  // refused when their queue is full.
  int64_t waiting_bytes_max = int64_t{1} << 30;
  // Rows and deliveries that wait for the disk. Beyond it clients' requests wait, too; beyond twice
  // as much everything but questions and timers. Rows that are not written yet count twice when an
  // answer waits for them: once in the store's memory, once with the answer.
  int64_t unsynced_bytes_max = int64_t{256} << 20;
  // AwaitTask, WatchTask and AwaitOutput of unfinished tasks. Beyond it the call is ended with
  // RESOURCE_EXHAUSTED.
  int64_t watchers_max = 10'000'000;
  // Of what a task says, the newest attempts' is kept.
  int64_t task_output_bytes_max = limits::kTaskOutputBytes;
  // Told of a bug that the broker has found in itself, for the log. On the broker's thread.
  std::function<void(const std::string& bug)> on_bug;
  // Told what an operator should know, for the log. On the broker's thread.
  std::function<void(const std::string& news)> on_news;
};

// Told when the task ends: OutcomeReady, at once if it has ended; TaskUnknown if it is not known.
// Ends with the call (engine::CallClosed).
struct AwaitTask {
  engine::CallId call{};
  TaskId task;
};
// As AwaitTask, and TaskSeen now and at every change of state or progress.
struct WatchTask {
  engine::CallId call{};
  TaskId task;
};
// A session's stream wants the outcomes of all its tasks (or no more than those it awaits).
struct DeliverOutcomes {
  engine::CallId call{};
  bool all = true;
};
// From a worker (call) or a unary Extend. Ignored unless the token is valid.
struct ReportProgress {
  engine::CallId call{};
  engine::Token token{};
  ProgressState progress;
};

class StoredTasks;
struct Figures;

// What a query may look at, on the broker's thread.
struct View {
  const engine::Engine& engine;
  int64_t now_ms;
  // An unfinished task's latest progress; nullptr: none.
  const ProgressState* Progress(TaskId task) const;
  // Where its output stands; nullptr: it has said nothing.
  const engine::OutputRow* Output(TaskId task) const;
  // Of the broker itself.
  broker::Figures Figures() const;
  const BrokerOptions& Options() const;
  class Internals;
  const Internals* internals = nullptr;
};
// Runs on the store's thread, because it may have to wait for a disk; returns the answer to give.
using Look = absl::AnyInvocable<Answer(StoredTasks&)>;
// Runs on the broker's thread, quickly; returns the answer to give, which does not wait for the
// disk, or who looks for it among what has ended.
using Query = absl::AnyInvocable<std::variant<Answer, Look>(const View&)>;
struct AskQuery {
  engine::CallId call{};
  Query query;
};

// Entries of a running attempt's output. Answered by OutputTaken. `first_index` is of the first
// one; absent: they come behind what there is.
struct TakeOutput {
  engine::CallId call{};
  engine::Token token{};
  std::optional<uint64_t> first_index;
  std::vector<engine::OutputEntry> entries;
};
// Asks when the task's output has this offset, or the task is not unfinished: at once if that is so
// already. Ends with the call.
struct AwaitOutput {
  TaskId task;
  uint64_t offset = 0;
  AskQuery ask;
};

using Action = std::variant<engine::Command, AwaitTask, WatchTask, DeliverOutcomes, ReportProgress,
                            AskQuery, TakeOutput, AwaitOutput>;

struct Request {
  Action action;
  BodyPtr body;  // a submit's payload, an attempt's result, or the details of its error
};

// Where a call's requests wait for the broker. A call posts in one lane what rests on each other,
// so that nothing overtakes: its start and its credit, its submits and its end. Between lanes and
// between calls there is no order but that of answers: who acts on an answer comes after it in any
// lane. (So a cancel is posted among the clients' requests and, when it is done, the question that
// follows among questions.)
//
// Turns take from the lanes in this order. Leases live by what workers say, so that comes first,
// whatever the backlog of the others.
enum class Lane : uint8_t {
  kWorkers,    // Attach, and the unary Lease, Extend and Complete
  kQuestions,  // unary calls that change nothing: queries, AwaitTask, WatchTask
  kClients,    // sessions, submits, cancels, queues
};
inline constexpr size_t kLanes = 3;

// What a stream does after it has posted.
enum class Reading {
  kGoOn,
  kWait,  // it posts nothing more until ReadOn is delivered to it
};

// How many things the broker keeps, beside what its store does. When all tasks have ended and
// everybody has left, all are 0.
struct Holdings {
  int64_t unfinished_tasks = 0;
  int64_t sessions = 0;
  int64_t workers = 0;
  int64_t calls = 0;              // with something of the engine's on them
  int64_t undeclared_queues = 0;  // names that somebody serves, and that no queue has
  int64_t waits = 0;              // AwaitTask, WatchTask and AwaitOutput of unfinished tasks
  int64_t watching_calls = 0;     // that wait, or hear of their session's tasks
  int64_t watching_sessions = 0;
  int64_t waiting_submits = 0;  // for room in a full queue
  int64_t waiting_bytes = 0;    // what their payloads hold
  int64_t progress = 0;
  int64_t outputs = 0;  // tasks that have said something
  int64_t cached_payloads = 0;
  int64_t pending_reads = 0;
  int64_t unknowns = 0;  // answers that say so, and wait for the disk

  bool operator==(const Holdings&) const = default;
};

// What the broker tells of itself to those who watch it.
struct Figures {
  Holdings holdings;
  TurnFigures turns;
  // How often a task and a free slot were found apart after a turn: a bug each time. The broker
  // looks about once a second, and brings them together.
  int64_t stalls = 0;
  std::array<LaneFigures, kLanes> lanes;
  int64_t unsynced_bytes = 0;  // see BrokerOptions::unsynced_bytes_max
  int64_t payload_cache_bytes = 0;
  int64_t free_store_bytes = 0;      // as the store said last; INT64_MAX: no bound
  std::optional<SpanFigures> spans;  // absent: nobody wants them
};

// Where the edge hands over what it was asked: the broker itself, or what stands before it. Any
// thread may call it.
class Intake {
 public:
  virtual ~Intake() = default;

  // Hands over requests, in order. RESOURCE_EXHAUSTED: the lane is full, or the call's client has
  // its share of it; nothing was taken: `requests` is as it was. UNAVAILABLE: the broker has
  // stopped.
  virtual absl::Status Post(Lane lane, std::vector<Request>&& requests) = 0;
  absl::Status Post(Lane lane, Request request);
  // As Post, for a stream: what it has read is taken in any case, so that it counts as heard. When
  // the lane is full the stream reads no further, so that its peer is held back, until the outbox
  // is given ReadOn for it, which may be before this returns.
  virtual absl::StatusOr<Reading> PostFrom(engine::CallId stream, Lane lane,
                                           std::vector<Request>&& requests) = 0;

  // The outbox was full, and is not any more. Any thread.
  virtual void GoOn() = 0;

  // Has `tell` called with the calls that wait for the store, each once: their answers are not safe
  // yet or rest on a read, or they wait to be taken until the store keeps up. Any thread; `tell` is
  // called on the broker's, in a later turn.
  virtual void FindWaiting(absl::AnyInvocable<void(std::vector<engine::CallId>)> tell) = 0;

  // Has `visit` called on the broker's thread, in a later turn, with what a query may look at: for
  // those who need no call's place among others. Quickly, as a query. Any thread. Never refused, so
  // that who asks bounds how often; never called when the broker has stopped.
  virtual void Visit(absl::AnyInvocable<void(const View&)> visit) = 0;

  // Ids that follow one another, for tasks that are submitted outside any client's session; the
  // first of them. After Recover.
  virtual TaskId NewTaskIds(uint32_t count) = 0;
};

// The loop around the engine: takes requests, steps the engine, stores each turn's rows as one
// batch, and releases what the turn wants said when the store has it as safe as was asked. While
// one batch is being written or synced, further turns run and are appended: so batches grow by
// themselves when the disk is slow.
//
// Owns no thread. One thread calls Recover once, then Run, or Turn for a loop of its own (the
// simulator). What Intake has may be called from any thread.
class Broker final : public Intake {
 public:
  // All outlive the broker. It is the one who makes `clock` run: in Recover, from where the store's
  // last run stopped; and who follows the wall clock, in each turn. `spans`: of sampled tasks; may
  // be null.
  Broker(const BrokerOptions& options, ServiceClock& clock, store::Store& store, Outbox& outbox,
         SpanSink* spans = nullptr);
  ~Broker() override;

  // Loads the engine from the store, and begins a new life. `incarnation` is one that no other life
  // had: engine::IncarnationAt. `progress` is told of rows read so far, about once a second.
  absl::Status Recover(engine::Incarnation incarnation,
                       absl::AnyInvocable<void(int64_t rows)> progress);

  // See Intake.
  absl::Status Post(Lane lane, std::vector<Request>&& requests) override;
  using Intake::Post;
  absl::StatusOr<Reading> PostFrom(engine::CallId stream, Lane lane,
                                   std::vector<Request>&& requests) override;
  void GoOn() override;
  void FindWaiting(absl::AnyInvocable<void(std::vector<engine::CallId>)> tell) override;
  void Visit(absl::AnyInvocable<void(const View&)> visit) override;
  TaskId NewTaskIds(uint32_t count) override;

  // One turn: what was posted so far, up to its bounds; the rest is the next turn's. False: nothing
  // was done. Not OK: the store failed; stop the process.
  absl::StatusOr<bool> Turn();
  // When Turn has something to do though nothing is posted and no sync returns. INT64_MAX: never.
  int64_t NextDeadline() const;

  // Turns until Stop. Returns OK after Stop, with everything appended synced and released;
  // otherwise the store's error.
  absl::Status Run();
  void Stop();

  // The thread of Turn.
  const engine::Engine& engine() const;
  Holdings holdings() const;
  Figures figures() const;

 private:
  friend struct View;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::broker
