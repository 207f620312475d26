#include "tests/engine/script_line.h"

#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace treadle::engine {
namespace {

std::vector<std::string> SplitWords(const std::string& text) {
  std::vector<std::string> words;
  bool quoted = false;
  bool inside = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (c != '"') words.back().push_back(c);
  }
  return words;
}

TaskId ParseId(const std::string& text) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(text);
  if (!id.ok()) throw std::invalid_argument(std::string(id.status().message()));
  return *id;
}

std::vector<Token> ParseTokens(const std::vector<std::string>& words) {
  std::vector<Token> tokens;
  for (const std::string& word : words) {
    uint64_t token = 0;
    if (!absl::SimpleAtoi(word, &token)) throw std::invalid_argument("token: " + word);
    tokens.push_back(Token{token});
  }
  return tokens;
}

std::vector<PoolSpec> ParsePools(const std::vector<std::string>& words) {
  std::vector<PoolSpec> pools;
  for (const std::string& word : words) {  // "thread:send|resize"; no types: every type
    const std::vector<std::string> parts = absl::StrSplit(word, ':');
    PoolSpec pool;
    pool.name = parts[0];
    pool.slots = 4;
    if (parts.size() > 1) pool.types = absl::StrSplit(parts[1], '|');
    pools.push_back(pool);
  }
  return pools;
}

AttemptEnd ParseEnd(const std::string& text) {
  if (text == "succeeded") return AttemptEnd::kSucceeded;
  if (text == "failed") return AttemptEnd::kFailed;
  if (text == "stopped") return AttemptEnd::kStopped;
  if (text == "released") return AttemptEnd::kReleased;
  throw std::invalid_argument("how: " + text);
}

Durability ParseDurability(const std::string& text) {
  if (text == "synced") return Durability::kSynced;
  if (text == "written") return Durability::kWritten;
  if (text == "memory") return Durability::kMemory;
  throw std::invalid_argument("durability: " + text);
}

Discipline ParseDiscipline(const std::string& text) {
  if (text == "fifo") return Discipline::kFifo;
  if (text == "lifo") return Discipline::kLifo;
  if (text == "priority") return Discipline::kPriority;
  throw std::invalid_argument("discipline: " + text);
}

std::shared_ptr<const RetryPolicy> ParseRetry(const ScriptLine& line) {
  RetryPolicy policy;
  const RetryPolicy standard;
  policy.initial_delay_ms = line.Number("retry_delay", standard.initial_delay_ms);
  policy.max_delay_ms = line.Number("retry_delay_max", standard.max_delay_ms);
  policy.multiplier = line.Fraction("retry_multiplier", standard.multiplier);
  policy.jitter = line.Fraction("jitter", 0);
  policy.no_retry_error_types = line.Words("no_retry");
  return std::make_shared<const RetryPolicy>(policy);
}

Token ParseToken(const ScriptLine& line) {
  return Token{static_cast<uint64_t>(line.Number("token"))};
}

std::optional<int64_t> ParseOptional(const ScriptLine& line, const std::string& name) {
  return line.Has(name) ? std::optional(line.Number(name)) : std::nullopt;
}

// All but the tokens.
EndAttempt ParseEndAttempt(const ScriptLine& line) {
  EndAttempt end;
  end.call = line.Call();
  end.item = static_cast<uint64_t>(line.Number("item"));
  end.end = ParseEnd(line.Text("how", "succeeded"));
  end.error.type = line.Text("error");
  end.error.message = line.Text("message");
  end.error.permanent = line.Has("permanent");
  end.error.retry_after_ms = ParseOptional(line, "retry_after");
  if (const auto code = ParseOptional(line, "exit_code")) {
    end.error.exit_code = static_cast<int32_t>(*code);
  }
  if (const auto signal = ParseOptional(line, "signal")) {
    end.error.signal = static_cast<int32_t>(*signal);
  }
  end.reply = line.Has("reply");
  return end;
}

// Who sends it; each client has an address of its own unless told otherwise.
Origin ParseOrigin(const ScriptLine& line) {
  const auto connection = static_cast<uint32_t>(line.Number("client"));
  return {connection, static_cast<uint32_t>(line.Number("address", connection))};
}

Labels ParseLabels(const ScriptLine& line) {  // "zone=a" is labels=zone:a
  Labels labels;
  for (const std::string& word : line.Words("labels")) {
    const std::pair<std::string, std::string> label = absl::StrSplit(word, ':');
    labels.insert(label);
  }
  return labels;
}

// Of an operator's command; absent: it is nobody's.
std::optional<Actor> ParseActor(const ScriptLine& line) {
  return line.Has("by") ? std::optional(Actor{line.Text("by"), "ipv4:10.0.0.9:1"}) : std::nullopt;
}

AttachWorker ParseAttach(const ScriptLine& line) {
  AttachWorker attach;
  attach.call = line.Call();
  attach.worker_id = line.Text("worker");
  attach.worker_name = line.Text("name", "host-" + attach.worker_id);
  attach.peer = line.Text("peer");
  attach.queues = line.Words("queues");
  attach.pools =
      ParsePools(line.Has("pools") ? line.Words("pools") : std::vector<std::string>{"thread"});
  attach.held_tokens = ParseTokens(line.Words("held"));
  attach.origin = ParseOrigin(line);
  attach.labels = ParseLabels(line);
  return attach;
}

PollTasks ParsePoll(const ScriptLine& line) {
  PollTasks poll;
  poll.call = line.Call();
  poll.queues = line.Words("queues");
  poll.types = line.Words("types");
  poll.worker_name = line.Text("name", "poller");
  poll.max_tasks = static_cast<int32_t>(line.Number("max", 1));
  poll.lease_ms = line.Number("lease", 30'000);
  poll.wait_ms = line.Number("wait");
  poll.origin = ParseOrigin(line);
  return poll;
}

}  // namespace

ScriptLine::ScriptLine(const std::string& text) {
  const std::vector<std::string> words = SplitWords(text);
  if (words.empty()) throw std::invalid_argument("an empty line");
  verb_ = words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    values_[name] = equals == std::string::npos ? "" : words[i].substr(equals + 1);
  }
}

std::vector<std::string> ScriptLine::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) names.push_back(name);
  return names;
}

const std::string* ScriptLine::Take(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return nullptr;
  used_[name] = true;
  return &found->second;
}

std::string ScriptLine::Text(const std::string& name, const std::string& standard) const {
  const std::string* const value = Take(name);
  return value == nullptr ? standard : *value;
}

int64_t ScriptLine::Number(const std::string& name, int64_t standard) const {
  const std::string* const value = Take(name);
  if (value == nullptr) return standard;
  int64_t number = 0;
  if (!absl::SimpleAtoi(*value, &number)) throw std::invalid_argument(name + "=" + *value);
  return number;
}

double ScriptLine::Fraction(const std::string& name, double standard) const {
  const std::string* const value = Take(name);
  if (value == nullptr) return standard;
  double number = 0;
  if (!absl::SimpleAtod(*value, &number)) throw std::invalid_argument(name + "=" + *value);
  return number;
}

std::vector<std::string> ScriptLine::Words(const std::string& name) const {
  const std::string* const value = Take(name);
  if (value == nullptr || value->empty()) return {};
  return absl::StrSplit(*value, ',');
}

TaskId ScriptLine::Id(const std::string& name) const { return ParseId(Text(name)); }

void ScriptLine::CheckAllUsed() const {
  for (const auto& [name, value] : values_) {
    if (!used_.contains(name)) throw std::invalid_argument(verb_ + " knows no " + name);
  }
}

std::vector<Submit> ParseSubmits(const ScriptLine& line, bool together) {
  Submit submit;
  submit.call = line.Call();
  submit.sequenced = line.Has("sequenced");
  submit.origin = ParseOrigin(line);
  submit.wait_if_full_ms = line.Number("wait");
  if (line.Has("refusal")) submit.refusal = absl::ResourceExhaustedError(line.Text("refusal"));
  TaskSpec& spec = submit.spec;
  spec.queue = line.Text("queue", "mail");
  spec.type = line.Text("type", "send");
  spec.priority = static_cast<int32_t>(line.Number("priority"));
  spec.run_at_ms = line.Number("run_at");
  spec.delay_ms = line.Number("delay");
  spec.deadline_at_ms = line.Number("deadline_at");
  spec.deadline_in_ms = line.Number("deadline_in");
  spec.attempt_timeout_ms = line.Number("timeout");
  spec.result_ttl_ms = line.Number("ttl", spec.result_ttl_ms);
  spec.max_attempts = static_cast<int32_t>(line.Number("max_attempts", spec.max_attempts));
  spec.durability = ParseDurability(line.Text("durability", "synced"));
  spec.payload_bytes = static_cast<uint64_t>(line.Number("bytes"));
  spec.retry = ParseRetry(line);
  spec.request_key = line.Text("key");
  spec.digest.low = static_cast<uint64_t>(line.Number("digest"));

  const bool apart = line.Has("apart");
  const std::string ids = line.Text("id");
  const size_t dots = ids.find("..");
  submit.id = ParseId(ids.substr(0, dots));
  const TaskId last = dots == std::string::npos ? submit.id : ParseId(ids.substr(dots + 2));
  if (together && !apart && spec.request_key.empty() && submit.id.sequence < last.sequence) {
    submit.item = submit.sequenced ? submit.id.sequence : 0;
    submit.payload_sizes.assign(last.sequence - submit.id.sequence + 1,
                                static_cast<uint32_t>(spec.payload_bytes));
    spec.payload_bytes *= submit.payload_sizes.size();
    return {submit};
  }
  std::vector<Submit> submits;
  for (; submit.id.sequence <= last.sequence; ++submit.id.sequence) {
    submit.item = submit.sequenced ? submit.id.sequence : submits.size();
    submits.push_back(submit);
  }
  return submits;
}

std::vector<EndAttempt> ParseEnds(const ScriptLine& line, bool together) {
  EndAttempt end = ParseEndAttempt(line);
  const std::vector<Token> tokens = ParseTokens(absl::StrSplit(line.Text("token"), ".."));
  const auto first = static_cast<uint64_t>(tokens.front());
  const auto last = static_cast<uint64_t>(tokens.back());
  if (together && end.end == AttemptEnd::kSucceeded && !end.reply && first < last) {
    end.token = tokens.front();
    end.result_sizes.assign(last - first + 1, 0);
    return {end};
  }
  std::vector<EndAttempt> ends;
  for (uint64_t token = first; token <= last; ++token) {
    end.token = Token{token};
    ends.push_back(end);
  }
  return ends;
}

namespace {

CircuitBreaker ParseBreaker(const ScriptLine& line) {
  CircuitBreaker breaker;
  breaker.failure_percent = static_cast<int32_t>(line.Number("breaker"));
  breaker.min_attempts =
      static_cast<int32_t>(line.Number("breaker_attempts", breaker.min_attempts));
  breaker.window_ms = line.Number("breaker_window", breaker.window_ms);
  breaker.resume_after_ms = line.Number("breaker_resume");
  return breaker;
}

RedriveTo ParseRedrive(const ScriptLine& line) {
  return {line.Text("into"), static_cast<int32_t>(line.Number("max_attempts"))};
}

JobSpec ParseJob(const ScriptLine& line) {
  JobSpec spec;
  if (line.Has("cancel")) {
    spec.action = JobAction::kCancelTasks;
  } else if (line.Has("redrive")) {
    spec.action = JobAction::kRedriveLetters;
    spec.to = ParseRedrive(line);
  } else if (line.Has("delete")) {
    spec.action = JobAction::kDeleteLetters;
  } else {
    throw std::invalid_argument("start-job: what?");
  }
  spec.queue = line.Text("queue");
  spec.match.type = line.Text("type");
  spec.states = static_cast<uint32_t>(line.Number("states"));
  spec.filter = line.Text("filter");
  spec.dry_run = line.Has("dry-run");
  spec.tasks_per_second = static_cast<int32_t>(line.Number("rate"));
  spec.reason = line.Text("reason");
  return spec;
}

}  // namespace

Command ParseCommand(const ScriptLine& line) {
  const std::string& verb = line.verb();
  const CallId call = line.Call();
  const auto number = [&line](const char* name) {
    return static_cast<uint64_t>(line.Number(name));
  };
  if (verb == "create") {
    QueueConfig config;
    config.name = line.Text("queue");
    config.discipline = ParseDiscipline(line.Text("discipline", "fifo"));
    config.max_tasks = line.Number("max_tasks", 1'000'000);
    config.max_bytes = line.Number("max_bytes", int64_t{4} << 30);
    DeadLetterPolicy& letters = config.dead_letters;
    letters.max_tasks = line.Number("dead_letters", letters.max_tasks);
    letters.max_bytes = line.Number("dead_letter_bytes", letters.max_bytes);
    letters.ttl_ms = line.Number("dead_letter_ttl", letters.ttl_ms);
    if (line.Has("breaker")) config.breaker = ParseBreaker(line);
    config.fail_unserved_after_ms = line.Number("fail_unserved");
    return CreateQueue{call, config, ParseOrigin(line), ParseActor(line)};
  }
  if (verb == "update") {
    UpdateQueue update{call, line.Text("queue"), ParseOptional(line, "max_tasks"),
                       ParseOptional(line, "max_bytes")};
    if (line.Has("closed")) update.closed = line.Text("closed") == "yes";
    update.dead_letters_max_tasks = ParseOptional(line, "dead_letters");
    update.dead_letters_max_bytes = ParseOptional(line, "dead_letter_bytes");
    update.dead_letters_ttl_ms = ParseOptional(line, "dead_letter_ttl");
    if (line.Has("breaker")) update.breaker = ParseBreaker(line);
    update.fail_unserved_after_ms = ParseOptional(line, "fail_unserved");
    update.if_version = line.Number("if_version");
    update.by = ParseActor(line);
    return update;
  }
  if (verb == "delete") return DeleteQueue{call, line.Text("queue"), ParseActor(line)};
  if (verb == "pause") {
    return PauseQueue{
        call, line.Text("queue"), true, line.Text("because"), line.Number("for"), ParseActor(line)};
  }
  if (verb == "resume") {
    return PauseQueue{call, line.Text("queue"), false, {}, 0, ParseActor(line)};
  }
  if (verb == "purge") return PurgeQueue{call, line.Text("queue"), ParseActor(line)};
  if (verb == "begin") return BeginLife{Incarnation{number("incarnation")}};
  if (verb == "open") {
    OpenSession open{
        call, number("session"), line.Has("for_unary"), {0, number("secret")}, number("below")};
    open.origin = ParseOrigin(line);
    return open;
  }
  if (verb == "take-letters") {
    TakeLetters take{.call = call};
    for (const std::string& id : line.Words("ids")) take.tasks.push_back(*TaskId::Parse(id));
    if (line.Has("redrive")) take.redrive = ParseRedrive(line);
    take.by = ParseActor(line);
    return take;
  }
  if (verb == "start-job") return StartJob{call, ParseJob(line), ParseActor(line)};
  if (verb == "cancel-job") return CancelJob{call, number("job"), ParseActor(line)};
  if (verb == "acknowledge") return AcknowledgeSession{call, number("below")};
  if (verb == "close-session") return CloseSession{call};
  if (verb == "cancel") {
    return Cancel{call, number("item"), line.Id("id"), line.Text("reason"), ParseActor(line)};
  }
  if (verb == "attach") return ParseAttach(line);
  if (verb == "heartbeat") return Heartbeat{call};
  if (verb == "credit") {
    return AddCredit{call, static_cast<int32_t>(line.Number("pool")),
                     static_cast<int32_t>(line.Number("tasks", 1))};
  }
  if (verb == "drain") return DrainWorker{call};
  if (verb == "set-drain") {
    return SetDrain{call,
                    {line.Text("worker"), ParseLabels(line)},
                    line.Text("because"),
                    line.Number("for"),
                    ParseActor(line)};
  }
  if (verb == "remove-drain") return RemoveDrain{call, number("drain"), ParseActor(line)};
  if (verb == "release") {
    return ReleaseWorker{call, line.Text("worker"), line.Text("because"), ParseActor(line)};
  }
  if (verb == "start") return StartAttempt{call, ParseToken(line)};
  if (verb == "reports") return EndReports{call, number("sequence")};
  if (verb == "poll") return ParsePoll(line);
  if (verb == "extend") {
    return ExtendLease{call, number("item"), ParseToken(line), line.Number("lease", 30'000)};
  }
  if (verb == "closed") return CallClosed{call};
  if (verb == "watch") return WatchTask{line.Id("id"), true};
  if (verb == "unwatch") return WatchTask{line.Id("id"), false};
  throw std::invalid_argument("no command " + verb);
}

}  // namespace treadle::engine
