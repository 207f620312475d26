#include "tests/engine/model.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gtest/gtest.h>

#include "tests/engine/row_store.h"
#include "tests/engine/single_tasks.h"

// The engine and the model get the same random commands; they must say the same and look the same.
//
// Each kind of time has its own last digit (deadlines 1, worker leases 2, start times 3, retries 4,
// poll leases 5, attempt timeouts 6, submits that wait 7, sessions 8, polls 9), so that no two
// kinds are due at the same moment, where the order would be the engine's own choice. (Those that
// were given back too often have a 0. The wall clock is set by tens of milliseconds.)
//
// TREADLE_MODEL_SEEDS=N runs N seeds, TREADLE_MODEL_SEED=N that one alone.

namespace treadle::engine {
namespace {

EngineOptions SmallBounds() {
  EngineOptions options;
  options.queue_max_tasks = 12;
  options.queue_max_bytes = 5'000;
  options.sessions_max = 6;
  options.workers_max = 4;
  options.waiting_submitters_max = 5;
  options.polls_max = 4;
  options.credit_max = 12;
  options.worker_inflight_bytes_max = 700;
  options.outcome_row_bytes_max = 100;
  options.session_gap_max = 10;
  options.lease_ms = 15'002;
  options.resume_window_ms = 20'008;
  options.request_key_window_ms = 30'000;
  options.attempt_timeout_grace_ms = 1'006;
  options.unexplained_losses_max = 2;
  options.quarantine_after = 0;  // see scripts/quarantine.txt
  options.compaction_bytes_min = 0;
  options.compaction_after_ms = 1'000;
  options.dead_letters = {.max_tasks = 5, .max_bytes = 1 << 20, .ttl_ms = 50'000};
  return options;
}

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed)
      : random_(seed), engine_(std::make_unique<Engine>(options_)), model_(options_) {
    Step(OpenSession{NewCall(), 0, /*for_unary=*/true});
  }

  uint64_t compactions() const { return compactions_; }
  uint64_t sweeps() const { return sweeps_; }
  uint64_t redriven() const { return redriven_; }
  uint64_t unserved() const { return unserved_; }

  void Turns(int count) {
    for (turn_ = 0; turn_ < count && !testing::Test::HasFailure(); ++turn_) Turn();
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return *(values.begin() + Below(values.size()));
  }
  // Null: there is none.
  template <typename Map>
  const typename Map::value_type* OneOf(const Map& map) {
    if (map.empty()) return nullptr;
    auto it = map.begin();
    std::advance(it, Below(map.size()));
    return &*it;
  }

  CallId NewCall() { return CallId{++calls_}; }
  // A session or worker without stream has no call.
  CallId Open(CallId call) { return call == CallId{} ? NewCall() : call; }
  std::string AnyQueue() { return OneOf<std::string>({"a", "b", "c", "later"}); }
  std::string AnyType() { return OneOf<std::string>({"send", "resize", "crop"}); }
  CallId AnyWorkerCall() {
    const auto* const worker = OneOf(model_.workers());
    return worker == nullptr || OneIn(30) ? CallId{1 + Below(calls_)} : Open(worker->second.call);
  }
  CallId AnySessionCall() {
    const auto* const session = OneOf(model_.sessions());
    return session == nullptr || OneIn(30) ? CallId{1 + Below(calls_)} : Open(session->second.call);
  }

  void Turn();
  void Step(Command command);
  void EndTurn();
  void Compact();
  void Sweep();
  void EndVainSweeps();
  TakeLetters RandomTake();
  void Find();
  void CheckLetterRows() const;
  void Restart();
  void SetClock(int64_t set_by_ms);
  std::unique_ptr<Engine> Reloaded();

  Command RandomCommand();
  Command RandomQueueCommand();
  Command RandomSessionCommand();
  Command RandomWorkerCommand();
  Command RandomReport();
  void EndSeveral(EndAttempt& end);
  Submit RandomSubmit();
  void MakeRun(Submit& submit);
  AttachWorker RandomAttach();

  std::mt19937_64 random_;
  const EngineOptions options_ = SmallBounds();
  std::unique_ptr<Engine> engine_;
  Model model_;
  RowStore rows_;
  Effects effects_;
  int64_t now_ms_ = 1'000;
  int64_t wall_set_by_ms_ = 0;
  int turn_ = 0;
  uint64_t calls_ = 0;
  uint64_t unary_ = 0;
  uint64_t compactions_ = 0;
  std::vector<EndAttempt> said_;
  std::optional<TaskId> compaction_due_;  // of this run
  std::optional<LetterMovesDue> moves_due_;
  std::vector<SweepDue> sweeps_due_;
  uint64_t sweeps_ = 0;
  std::deque<TakeLetters> takes_;  // nothing is wanted for them yet
  struct Wanted {
    TakeLetters take;
    LettersWanted wanted;
  };
  std::vector<Wanted> wanted_;
  uint64_t redriven_ = 0;
  uint64_t unserved_ = 0;  // tasks that failed for that
};

Submit RandomRun::RandomSubmit() {
  Submit submit;
  const auto* const session = OneOf(model_.sessions());
  if (session != nullptr && OneIn(2)) {
    submit.sequenced = true;
    submit.call = OneIn(20) ? NewCall() : Open(session->second.call);
    const auto& accepted = session->second.accepted;
    const uint64_t newest = accepted.empty() ? session->second.floor : *accepted.rbegin();
    submit.id = TaskId{session->first, newest + Below(4)};
    if (OneIn(5)) submit.id.sequence = 1 + Below(newest + 15);
    submit.item = submit.id.sequence;
  }
  if (!submit.sequenced) {
    submit.call = NewCall();
    submit.id = TaskId{1, ++unary_};
    submit.item = Below(3);
  }
  TaskSpec& spec = submit.spec;
  spec.queue = AnyQueue();
  spec.type = AnyType();
  spec.payload_bytes = Below(400);
  if (OneIn(100)) spec.payload_bytes = 6'000;
  if (OneIn(3)) spec.priority = static_cast<int32_t>(Below(5)) - 2;
  if (OneIn(6))
    spec.run_at_ms = now_ms_ + wall_set_by_ms_ + static_cast<int64_t>(Below(1'000)) * 10 - 997;
  if (OneIn(6)) spec.delay_ms = static_cast<int64_t>(Below(1'000)) * 10 + 3;
  if (OneIn(8)) {
    spec.deadline_at_ms = now_ms_ + wall_set_by_ms_ + static_cast<int64_t>(Below(3'000)) * 10 - 999;
  }
  if (OneIn(8)) spec.deadline_in_ms = static_cast<int64_t>(Below(3'000)) * 10 + 1;
  if (OneIn(4)) spec.attempt_timeout_ms = 10 + static_cast<int64_t>(Below(500)) * 10;
  spec.result_ttl_ms = OneOf<int64_t>({0, 5'000, 3'600'000});
  spec.max_attempts = 1 + static_cast<int32_t>(Below(4));
  RetryPolicy policy;
  policy.initial_delay_ms = OneOf<int64_t>({0, 504, 2'004});
  policy.multiplier = 1;
  policy.jitter = 0;
  if (OneIn(5)) policy.no_retry_error_types = {"Fatal", "WorkerLost"};
  spec.retry = std::make_shared<const RetryPolicy>(policy);
  if (OneIn(4)) {
    spec.request_key = absl::StrCat("key-", Below(6));
    spec.digest.low = Below(4) == 0 ? 2 : 1;
    // The same content has the same size and priority.
    spec.payload_bytes = spec.digest.low * 50;
    spec.priority = spec.digest.low == 1 ? 0 : 1;
  }
  if (OneIn(2)) submit.wait_if_full_ms = static_cast<int64_t>(Below(1'000)) * 10 + 7;
  if (OneIn(40)) submit.refusal = absl::ResourceExhaustedError("the disk is nearly full");
  if (spec.request_key.empty() && OneIn(2)) MakeRun(submit);
  return submit;
}

void RandomRun::MakeRun(Submit& submit) {
  const bool alike = OneIn(2);
  const uint64_t tasks = 1 + Below(OneIn(4) ? 30 : 5);
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < tasks; ++i) {
    submit.payload_sizes.push_back(
        static_cast<uint32_t>(alike ? submit.spec.payload_bytes : Below(100)));
    bytes += submit.payload_sizes.back();
  }
  submit.spec.payload_bytes = bytes;
  if (!submit.sequenced) unary_ += tasks - 1;
}

AttachWorker RandomRun::RandomAttach() {
  AttachWorker attach;
  attach.call = OneIn(50) ? CallId{1 + Below(calls_)} : NewCall();
  if (model_.polls().contains(attach.call)) attach.call = NewCall();  // that is no stream
  attach.worker_id = absl::StrCat("w", Below(6));
  attach.worker_name = absl::StrCat("name-", calls_);
  attach.queues = {AnyQueue(), AnyQueue()};
  const uint64_t pools = 1 + Below(3);
  for (uint64_t i = 0; i < pools; ++i) {
    PoolSpec pool;
    if (!OneIn(2)) pool.types = {AnyType(), AnyType()};
    attach.pools.push_back(pool);
  }
  for (const auto& [id, task] : model_.tasks()) {
    if (task.state != TaskState::kRunning) continue;
    const bool own = task.worker == attach.worker_id;
    if (own ? OneIn(5) : !OneIn(10)) continue;
    attach.held_tokens.push_back(task.token);
  }
  if (OneIn(10)) attach.held_tokens.push_back(Token{1});
  return attach;
}

Command RandomRun::RandomQueueCommand() {
  const std::string queue = AnyQueue();
  const CallId call = NewCall();
  switch (Below(8)) {
    case 0:
      return DeleteQueue{call, queue};
    case 1:
      return PauseQueue{call, queue, OneIn(3), "a test",
                        OneIn(2) ? static_cast<int64_t>(Below(20'000)) : 0};
    case 2:
    case 3:
      return PauseQueue{call, queue, false};
    case 4:
      if (OneIn(2)) return PurgeQueue{call, queue};
      [[fallthrough]];
    case 5:
      return UpdateQueue{
          call,
          queue,
          OneIn(2) ? std::optional<int64_t>(Below(20)) : std::nullopt,
          OneIn(2) ? std::optional<int64_t>(Below(6'000)) : std::nullopt,
          OneIn(3) ? std::optional<bool>(OneIn(3)) : std::nullopt,
          OneIn(3) ? std::optional<int64_t>(Below(8)) : std::nullopt,
          std::nullopt,
          OneIn(3) ? std::optional<int64_t>(Below(10) * 10'000) : std::nullopt,
          std::nullopt,
          OneIn(2) ? std::optional<int64_t>(Below(4) * 3'000) : std::nullopt,
      };
    default:
      return CreateQueue{
          call, QueueConfig{
                    queue, OneOf({Discipline::kFifo, Discipline::kLifo, Discipline::kPriority}), 12,
                    5'000, options_.dead_letters, CircuitBreaker(), OneOf<int64_t>({0, 2'000})}};
  }
}

Command RandomRun::RandomSessionCommand() {
  const CallId call = AnySessionCall();
  switch (Below(5)) {
    case 0:
      return OpenSession{OneIn(20) ? call : NewCall(), 0, false, {0, Below(3)}};
    case 1: {
      const auto* const session = OneOf(model_.sessions());
      if (session == nullptr || OneIn(10)) return OpenSession{NewCall(), 1 + Below(20)};
      const ResumeSecret other{1, session->second.secret.low};
      return OpenSession{NewCall(), session->first, false,
                         OneIn(8) ? other : session->second.secret};
    }
    case 2:
      return AcknowledgeSession{call, Below(40)};
    case 3:
      if (call != CallId{1} && OneIn(4)) return CloseSession{call};
      [[fallthrough]];
    default:
      return CallClosed{OneIn(4) ? CallId{1 + Below(calls_)} : call};
  }
}

Command RandomRun::RandomWorkerCommand() {
  const CallId call = AnyWorkerCall();
  const auto* const task = OneOf(model_.tasks());
  switch (Below(12)) {
    case 0:
      return RandomAttach();
    case 1:
      if (OneIn(3)) return DrainWorker{call};
      return CallClosed{call};
    case 2: {
      PollTasks poll;
      poll.call = NewCall();
      poll.queues = {AnyQueue(), AnyQueue()};
      if (OneIn(2)) poll.types = {AnyType()};
      poll.worker_name = "poller";
      poll.max_tasks = 1 + static_cast<int32_t>(Below(3));
      poll.lease_ms = 1'005 + static_cast<int64_t>(Below(2'000)) * 10;
      poll.wait_ms = OneIn(3) ? 0 : static_cast<int64_t>(Below(1'000)) * 10 + 9;
      return poll;
    }
    case 3: {
      const auto* const poll = OneOf(model_.polls());
      return CallClosed{poll == nullptr ? call : poll->first};
    }
    case 4:
    case 5:
      if (task != nullptr) return StartAttempt{call, task->second.token};
      [[fallthrough]];
    case 6:
    case 7:
      return Heartbeat{call};
    default:
      return AddCredit{call, OneIn(40) ? 7 : static_cast<int32_t>(Below(2)),
                       OneIn(40) ? -1 : 1 + static_cast<int32_t>(Below(OneIn(3) ? 10 : 4))};
  }
}

Command RandomRun::RandomReport() {
  if (!said_.empty() && OneIn(8)) {  // once more: its answer was lost
    EndAttempt again = said_[Below(said_.size())];
    again.call = NewCall();
    if (OneIn(8)) again.end = AttemptEnd::kStopped;
    return again;
  }
  const auto* const task = OneOf(model_.tasks());
  if (task == nullptr) return EndReports{AnyWorkerCall(), Below(100)};
  const ModelTask& about = task->second;
  CallId call = NewCall();
  if (!about.worker.empty() && !OneIn(10)) call = Open(model_.workers().at(about.worker).call);
  const Token token = OneIn(20) ? Token{1 + Below(50)} : about.token;
  if (OneIn(5)) {
    return ExtendLease{call, Below(5), token, 1'005 + static_cast<int64_t>(Below(2'000)) * 10};
  }
  EndAttempt end;
  end.call = call;
  end.item = Below(5);
  end.token = token;
  end.end = OneOf({AttemptEnd::kSucceeded, AttemptEnd::kSucceeded, AttemptEnd::kFailed,
                   AttemptEnd::kFailed, AttemptEnd::kStopped, AttemptEnd::kReleased});
  end.error.type = OneOf<std::string>({"Oops", "Oops", "Fatal"});
  end.error.permanent = OneIn(10);
  const auto n = static_cast<int32_t>(static_cast<uint64_t>(end.token) % 997);
  if (n % 4 == 1) end.error.retry_after_ms = n * 5;
  if (n % 3 == 1) end.error.exit_code = n;
  if (n % 5 == 1) end.error.signal = n;
  end.reply = OneIn(2);
  if (end.end == AttemptEnd::kSucceeded) {
    end.body.begin = Below(100);
    end.body.bytes = Below(50);
    if (!end.reply && !OneIn(3)) EndSeveral(end);
  }
  if (end.reply) said_.push_back(end);
  return end;
}

// Those that follow may be another run's or another worker's, be over, or not be given yet.
void RandomRun::EndSeveral(EndAttempt& end) {
  const uint64_t tasks = 1 + Below(OneIn(4) ? 12 : 4);
  end.body.bytes = 0;
  for (uint64_t i = 0; i < tasks; ++i) {
    end.result_sizes.push_back(static_cast<uint32_t>(Below(50)));
    end.body.bytes += end.result_sizes.back();
  }
}

Command RandomRun::RandomCommand() {
  switch (Below(20)) {
    case 0:
      return RandomQueueCommand();
    case 1:
    case 2:
      return RandomSessionCommand();
    case 3: {
      const auto* const task = OneOf(model_.tasks());
      const TaskId id =
          task == nullptr || OneIn(8) ? TaskId{1, 1 + Below(unary_ + 1)} : task->first;
      if (OneIn(3)) return WatchTask{id, !OneIn(4)};
      return Cancel{NewCall(), Below(5), id};
    }
    case 4: {
      const std::vector<CallId> waiting = model_.WaitingCalls();
      if (waiting.empty()) return EndReports{AnyWorkerCall(), Below(100)};
      return CallClosed{waiting[Below(waiting.size())]};
    }
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
      return RandomWorkerCommand();
    case 10:
    case 11:
    case 12:
      return RandomReport();
    default:
      return RandomSubmit();
  }
}

void RandomRun::Step(Command command) {
  if (Submit* const submit = std::get_if<Submit>(&command)) {
    if (engine_->NeedsKeyLookup(submit->spec.queue, submit->spec.request_key)) {
      submit->known_key = rows_.FindKey(submit->spec.queue, submit->spec.request_key);
    }
  }
  model_.Step(now_ms_, command);
  engine_->Step(now_ms_, std::move(command), effects_);
  engine_->CheckInvariants();
  EndVainSweeps();
}

void RandomRun::Turn() {
  now_ms_ += OneOf<int64_t>({0, 10, 10, 500, 3'000, OneIn(4) ? 16'000 : 10});
  if (OneIn(25)) SetClock(static_cast<int64_t>(Below(4'000)) * 10 - 20'000);
  const uint64_t commands = 1 + Below(8);
  for (uint64_t i = 0; i < commands; ++i) Step(RandomCommand());
  if (compaction_due_.has_value() && OneIn(3)) Compact();
  if (moves_due_.has_value() && OneIn(3)) {
    Step(rows_.Answer(*std::exchange(moves_due_, std::nullopt)));
  }
  if (!sweeps_due_.empty() && OneIn(3)) Sweep();
  if (OneIn(6)) {
    takes_.push_back(RandomTake());
    Step(takes_.back());
  }
  if (!wanted_.empty() && OneIn(2)) Find();
  EndTurn();
  if (OneIn(40)) Restart();
}

// Of which the model knows nothing: nobody can tell.
void RandomRun::Compact() {
  const TaskId run = *std::exchange(compaction_due_, std::nullopt);
  const std::optional<TaskRow> row = OneIn(10) ? std::nullopt : rows_.FindTask(run);
  engine_->Step(now_ms_, CompactRun{row}, effects_);
  ++compactions_;
}

// Dead letters, and some that are none.
TakeLetters RandomRun::RandomTake() {
  TakeLetters take;
  take.call = NewCall();
  for (const auto& [name, queue] : model_.queues()) {
    for (const ModelLetter& letter : queue.letters) {
      if (OneIn(2)) take.tasks.push_back(letter.id);
    }
  }
  if (take.tasks.empty() || OneIn(4)) take.tasks.push_back({1, 1 + Below(100)});
  if (OneIn(3)) return take;
  RedriveTo& to = take.redrive.emplace();
  if (OneIn(3)) to.queue = AnyQueue();
  if (OneIn(3)) to.max_attempts = 1 + static_cast<int32_t>(Below(3));
  return take;
}

void RandomRun::Find() {
  const uint64_t index = Below(wanted_.size());
  const Wanted one = wanted_[index];
  wanted_.erase(wanted_.begin() + static_cast<std::ptrdiff_t>(index));
  const TaskId first_id{1, (uint64_t{1} << 40) + 100 * ++redriven_};
  const LettersFound found = rows_.Answer(one.wanted, 1 + Below(4), first_id);
  model_.Found(now_ms_, one.take, found);
  engine_->Step(now_ms_, found, effects_);
  engine_->CheckInvariants();
  EndVainSweeps();
  // Those that are left are wanted again, by the same reading.
  if (found.looked_at < one.wanted.wanted.size()) takes_.push_back(one.take);
}

void RandomRun::Sweep() {
  const uint64_t index = Below(sweeps_due_.size());
  const SweepDue due = sweeps_due_[index];
  sweeps_due_.erase(sweeps_due_.begin() + static_cast<std::ptrdiff_t>(index));
  const SweepDeadLetters answer = rows_.Answer(due, 1 + Below(4));
  Step(answer);
  ++sweeps_;
  // What does not come twice is not believed twice.
  if (OneIn(4)) engine_->Step(now_ms_, answer, effects_);
}

// What is said of dead letters that are all gone says nothing of those that come after them.
void RandomRun::EndVainSweeps() {
  std::erase_if(sweeps_due_, [this](const SweepDue& due) {
    const auto queue = model_.queues().find(due.queue);
    if (queue != model_.queues().end() && !queue->second.letters.empty()) return false;
    engine_->Step(now_ms_, SweepDeadLetters{due.queue, due.reading, {}, /*end=*/true}, effects_);
    return true;
  });
}

// Each dead letter has its task: where it was moved to, or where it was.
void RandomRun::CheckLetterRows() const {
  size_t letters = 0;
  for (const auto& [name, queue] : model_.queues()) letters += queue.letters.size();
  ASSERT_EQ(rows_.CountOf('d'), letters);
  ASSERT_EQ(rows_.CountOf('p') + rows_.CountOf('x'), letters);
}

void RandomRun::EndTurn() {
  const size_t stepped = effects_.outputs.size();
  engine_->Tick(now_ms_, effects_);
  engine_->CheckInvariants();
  std::vector<Dispatched> given;
  std::vector<std::string> said;
  for (size_t i = 0; i < effects_.outputs.size(); ++i) {
    Event& whole = effects_.outputs[i].event;
    // A poll may have had its tasks before this one came in, or after: the model does not know.
    auto* const submitted = std::get_if<Submitted>(&whole);
    if (submitted != nullptr && i >= stepped) submitted->no_worker = false;
    for (const Event& event : SingleTasks(whole)) {
      const auto* const dispatched = std::get_if<Dispatched>(&event);
      if (dispatched != nullptr && !dispatched->leases.empty()) {
        given.push_back(*dispatched);
      } else if (const auto* const due = std::get_if<CompactionDue>(&event)) {
        compaction_due_ = due->run;
      } else if (const auto* const moves = std::get_if<LetterMovesDue>(&event)) {
        ASSERT_FALSE(moves_due_.has_value());
        moves_due_ = *moves;
      } else if (const auto* const wanted = std::get_if<LettersWanted>(&event)) {
        ASSERT_FALSE(takes_.empty());
        wanted_.push_back({takes_.front(), *wanted});
        takes_.pop_front();
      } else if (const auto* const sweep = std::get_if<SweepDue>(&event)) {
        sweeps_due_.push_back(*sweep);
      } else {
        if (const auto* const ended = std::get_if<TaskFinished>(&event)) {
          unserved_ += ended->row->error.type == "NoWorker" ? 1 : 0;
        }
        said.push_back(Visible(event));
      }
    }
  }
  std::sort(said.begin(), said.end());
  model_.Tick(now_ms_, given);
  ASSERT_EQ(absl::StrJoin(model_.TakeSaid(), "\n"), absl::StrJoin(said, "\n")) << "turn " << turn_;
  model_.CheckViews(*engine_, now_ms_);
  EXPECT_GT(engine_->NextDeadline(), now_ms_);

  rows_.Apply(effects_.changes);
  effects_ = Effects();
  CheckLetterRows();
  const std::unique_ptr<Engine> loaded = Reloaded();
  loaded->CheckInvariants();
  ASSERT_EQ(loaded->Fingerprint(), engine_->Fingerprint()) << "turn " << turn_;
}

std::unique_ptr<Engine> RandomRun::Reloaded() {
  auto engine = std::make_unique<Engine>(options_);
  engine->FollowWall(wall_set_by_ms_);
  absl::Status status;
  for (const Row& row : rows_.Shuffled(random_())) status.Update(engine->Load(row));
  status.Update(engine->FinishLoad(now_ms_));
  EXPECT_TRUE(status.ok()) << status;
  return engine;
}

void RandomRun::SetClock(int64_t set_by_ms) {
  wall_set_by_ms_ = set_by_ms;
  engine_->FollowWall(set_by_ms);
  model_.FollowWall(set_by_ms);
}

void RandomRun::Restart() {
  engine_ = Reloaded();
  model_.Restart(now_ms_);
  compaction_due_.reset();
  moves_due_.reset();
  sweeps_due_.clear();
  wanted_.clear();
  takes_.clear();
  if (OneIn(2)) Step(BeginLife{Incarnation{Below(uint64_t{1} << 40)}});
}

uint64_t NumberFrom(const char* variable, uint64_t standard) {
  const char* const text = std::getenv(variable);
  uint64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : standard;
}

TEST(EngineAgainstModel, RandomCommandsHaveTheSameVisibleResults) {
  const uint64_t only = NumberFrom("TREADLE_MODEL_SEED", 0);
  const uint64_t seeds = NumberFrom("TREADLE_MODEL_SEEDS", 200);
  uint64_t compactions = 0;
  uint64_t sweeps = 0;
  uint64_t redriven = 0;
  uint64_t unserved = 0;
  for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : seeds); ++seed) {
    SCOPED_TRACE(absl::StrCat("TREADLE_MODEL_SEED=", seed));
    RandomRun run(seed);
    run.Turns(150);
    if (HasFailure()) return;
    compactions += run.compactions();
    sweeps += run.sweeps();
    redriven += run.redriven();
    unserved += run.unserved();
  }
  if (only == 0) {
    EXPECT_GT(compactions, seeds / 10);
    EXPECT_GT(sweeps, seeds / 2);
    EXPECT_GT(redriven, seeds);
    EXPECT_GT(unserved, seeds);
  }
}

}  // namespace
}  // namespace treadle::engine
