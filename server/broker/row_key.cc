#include "server/broker/row_key.h"

#include <type_traits>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "proto/support/text.h"

namespace treadle::broker {
namespace {

constexpr size_t kKindBytes = 1;
constexpr size_t kNumberBytes = 8;
constexpr size_t kLengthBytes = 2;

void Begin(RowKind kind, std::string& key) { key.assign(1, static_cast<char>(kind)); }

void AppendNumber(std::string& key, uint64_t number, size_t bytes = kNumberBytes) {
  char big_endian[kNumberBytes];
  for (size_t i = 0; i < bytes; ++i) {
    big_endian[i] = static_cast<char>(number >> (8 * (bytes - 1 - i)));
  }
  key.append(big_endian, bytes);
}

uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

void WriteTaskKey(RowKind kind, TaskId id, std::string& key) {
  Begin(kind, key);
  AppendNumber(key, id.session);
  AppendNumber(key, id.sequence);
}

void WriteNumberKey(RowKind kind, uint64_t number, std::string& key) {
  Begin(kind, key);
  AppendNumber(key, number);
}

void WriteQueueKey(std::string_view name, std::string& key) {
  Begin(RowKind::kQueue, key);
  key.append(name);
}

void BeginOfQueue(RowKind kind, std::string_view queue, std::string& key) {
  TREADLE_ASSERT(queue.size() >> (8 * kLengthBytes) == 0);
  Begin(kind, key);
  AppendNumber(key, queue.size(), kLengthBytes);
  key.append(queue);
}

void WriteRequestKeyKey(std::string_view queue, std::string_view request_key, std::string& key) {
  BeginOfQueue(RowKind::kKey, queue, key);
  key.append(request_key);
}

void WriteQueueNumberKey(RowKind kind, std::string_view queue, uint64_t number, std::string& key) {
  BeginOfQueue(kind, queue, key);
  AppendNumber(key, number);
}

void WriteOutputPieceKey(TaskId task, uint64_t first, std::string& key) {
  WriteTaskKey(RowKind::kOutputPiece, task, key);
  AppendNumber(key, first);
}

void WriteOutputExpiryKey(int64_t at_ms, TaskId task, std::string& key) {
  WriteNumberKey(RowKind::kOutputExpiry, static_cast<uint64_t>(at_ms), key);
  AppendNumber(key, task.session);
  AppendNumber(key, task.sequence);
}

struct KeyWriter {
  std::string& key;

  void operator()(const engine::MetaRow&) const { Begin(RowKind::kMeta, key); }
  void operator()(const engine::QueueRow& row) const { WriteQueueKey(row.config.name, key); }
  void operator()(const engine::TaskRow& row) const { Task(RowKind::kTask, row.id); }
  void operator()(const engine::RunRow& row) const { Task(RowKind::kRun, row.id); }
  void operator()(const engine::FinishedRow& row) const {
    Task(RowKind::kFinished, {row.id.session, row.id.sequence + row.tasks - 1});
  }
  void operator()(const engine::AttemptRow& row) const { Task(RowKind::kAttempt, row.id); }
  void operator()(const engine::GrantRow& row) const { Number(RowKind::kGrant, row.grant); }
  void operator()(const engine::SessionRow& row) const { Number(RowKind::kSession, row.session); }
  void operator()(const engine::KeyRow& row) const { WriteRequestKeyKey(row.queue, row.key, key); }
  void operator()(const engine::ReportsRow& row) const { Number(RowKind::kReports, row.number); }
  void operator()(const engine::ClockRow&) const { Begin(RowKind::kClock, key); }
  void operator()(const engine::DeadLetterRow& row) const {
    WriteQueueNumberKey(RowKind::kDeadLetter, *row.queue, row.number, key);
  }
  void operator()(const engine::DeadTaskRow& row) const { Task(RowKind::kDeadTask, row.task.id); }
  void operator()(const engine::LetterGroupRow& row) const {
    WriteQueueNumberKey(RowKind::kLetterGroup, *row.queue, row.fingerprint, key);
  }
  void operator()(const engine::LetterMoveRow& row) const { Task(RowKind::kLetterMove, row.id); }
  void operator()(const engine::JobRow& row) const { Number(RowKind::kJob, row.id); }
  void operator()(const engine::DrainRow& row) const { Number(RowKind::kDrain, row.id); }
  void operator()(const engine::ActionRow& row) const { Number(RowKind::kAction, row.number); }
  void operator()(const engine::OutputRow& row) const { Task(RowKind::kOutput, row.task); }
  void operator()(const engine::OutputPieceRow& row) const {
    WriteOutputPieceKey(row.task, row.first, key);
  }
  void operator()(const engine::OutputExpiryRow& row) const {
    WriteOutputExpiryKey(row.at_ms, row.task, key);
  }

  void operator()(const engine::QueueKey& row) const { WriteQueueKey(row.name, key); }
  void operator()(const engine::TaskKey& row) const { Task(RowKind::kTask, row.id); }
  void operator()(const engine::RunKey& row) const { Task(RowKind::kRun, row.id); }
  void operator()(const engine::AttemptKey& row) const { Task(RowKind::kAttempt, row.id); }
  void operator()(const engine::GrantKey& row) const { Number(RowKind::kGrant, row.grant); }
  void operator()(const engine::SessionKey& row) const { Number(RowKind::kSession, row.session); }
  void operator()(const engine::ReportsKey& row) const { Number(RowKind::kReports, row.number); }
  void operator()(const engine::DeadLetterKey& row) const {
    WriteQueueNumberKey(RowKind::kDeadLetter, *row.queue, row.number, key);
  }
  void operator()(const engine::DeadTaskKey& row) const { Task(RowKind::kDeadTask, row.id); }
  void operator()(const engine::LetterGroupKey& row) const {
    WriteQueueNumberKey(RowKind::kLetterGroup, *row.queue, row.fingerprint, key);
  }
  void operator()(const engine::LetterMoveKey& row) const { Task(RowKind::kLetterMove, row.id); }
  void operator()(const engine::JobKey& row) const { Number(RowKind::kJob, row.id); }
  void operator()(const engine::DrainKey& row) const { Number(RowKind::kDrain, row.id); }
  void operator()(const engine::ActionKey& row) const { Number(RowKind::kAction, row.number); }
  void operator()(const engine::OutputKey& row) const { Task(RowKind::kOutput, row.task); }
  void operator()(const engine::OutputPieceKey& row) const {
    WriteOutputPieceKey(row.task, row.first, key);
  }
  void operator()(const engine::OutputExpiryKey& row) const {
    WriteOutputExpiryKey(row.at_ms, row.task, key);
  }

  void Task(RowKind kind, TaskId id) const { WriteTaskKey(kind, id, key); }
  template <typename Id>
  void Number(RowKind kind, Id id) const {
    WriteNumberKey(kind, static_cast<uint64_t>(id), key);
  }
};

// The first key of the next kind.
std::string EndOf(RowKind kind) {
  return std::string(1, static_cast<char>(static_cast<char>(kind) + 1));
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(Absl(text)), "'");
}

}  // namespace

void WriteKeyOf(const engine::Row& row, std::string& key) { std::visit(KeyWriter{key}, row); }
void WriteKeyOf(const engine::RowKey& row_key, std::string& key) {
  std::visit(KeyWriter{key}, row_key);
}

std::string TaskRowKey(TaskId id) {
  std::string key;
  WriteTaskKey(RowKind::kTask, id, key);
  return key;
}
std::string FinishedRowKey(TaskId last) {
  std::string key;
  WriteTaskKey(RowKind::kFinished, last, key);
  return key;
}
std::string DeadTaskRowKey(TaskId id) {
  std::string key;
  WriteTaskKey(RowKind::kDeadTask, id, key);
  return key;
}
std::string DeadLetterRowKey(std::string_view queue, uint64_t number) {
  std::string key;
  WriteQueueNumberKey(RowKind::kDeadLetter, queue, number, key);
  return key;
}
std::string RequestKeyRowKey(std::string_view queue, std::string_view request_key) {
  std::string key;
  WriteRequestKeyKey(queue, request_key, key);
  return key;
}
std::string LetterMoveRowKey(TaskId id) {
  std::string key;
  WriteTaskKey(RowKind::kLetterMove, id, key);
  return key;
}

KeyRange AllRows() { return {"", "\xff"}; }

KeyRange RowsOf(RowKind kind) { return {std::string(1, static_cast<char>(kind)), EndOf(kind)}; }

KeyRange FinishedRowsFrom(TaskId id) { return {FinishedRowKey(id), EndOf(RowKind::kFinished)}; }

KeyRange FinishedRowsUpTo(TaskId id) {
  KeyRange range = RowsOf(RowKind::kFinished);
  range.end = FinishedRowKey(id);
  range.end.push_back('\0');  // the first key behind it
  return range;
}

KeyRange DeadLettersBetween(std::string_view queue, uint64_t from, uint64_t before) {
  return {DeadLetterRowKey(queue, from), DeadLetterRowKey(queue, before)};
}

KeyRange ActionsBelow(uint64_t before) {
  KeyRange range = RowsOf(RowKind::kAction);
  WriteNumberKey(RowKind::kAction, before, range.end);
  return range;
}

KeyRange OutputPiecesBetween(TaskId task, uint64_t from, uint64_t before) {
  KeyRange range;
  WriteOutputPieceKey(task, from, range.begin);
  WriteOutputPieceKey(task, before, range.end);
  return range;
}

KeyRange OutputExpiriesBefore(int64_t at_ms) {
  KeyRange range = RowsOf(RowKind::kOutputExpiry);
  WriteNumberKey(RowKind::kOutputExpiry, static_cast<uint64_t>(at_ms), range.end);
  return range;
}

KeyRange OutputExpiriesFrom(int64_t at_ms) {
  KeyRange range = RowsOf(RowKind::kOutputExpiry);
  WriteNumberKey(RowKind::kOutputExpiry, static_cast<uint64_t>(at_ms), range.begin);
  return range;
}

std::optional<RowKind> KindOfKey(std::string_view key) {
  if (key.empty()) return std::nullopt;
  switch (const auto kind = static_cast<RowKind>(key[0])) {
    case RowKind::kMeta:
    case RowKind::kQueue:
    case RowKind::kTask:
    case RowKind::kRun:
    case RowKind::kAttempt:
    case RowKind::kGrant:
    case RowKind::kSession:
    case RowKind::kFinished:
    case RowKind::kReports:
    case RowKind::kKey:
    case RowKind::kClock:
    case RowKind::kDeadLetter:
    case RowKind::kDeadTask:
    case RowKind::kLetterGroup:
    case RowKind::kLetterMove:
    case RowKind::kJob:
    case RowKind::kDrain:
    case RowKind::kAction:
    case RowKind::kOutput:
    case RowKind::kOutputPiece:
    case RowKind::kOutputExpiry:
      return kind;
  }
  return std::nullopt;
}

std::optional<TaskId> TaskOfKey(std::string_view key) {
  if (key.size() != kKindBytes + 2 * kNumberBytes) return std::nullopt;
  return TaskId{ReadBigEndian(key.substr(kKindBytes, kNumberBytes)),
                ReadBigEndian(key.substr(kKindBytes + kNumberBytes))};
}

std::optional<uint64_t> NumberOfKey(std::string_view key) {
  if (key.size() != kKindBytes + kNumberBytes) return std::nullopt;
  return ReadBigEndian(key.substr(kKindBytes));
}

std::optional<engine::OutputPieceKey> OutputPieceOfKey(std::string_view key) {
  constexpr size_t kFront = kKindBytes + 2 * kNumberBytes;
  if (key.size() != kFront + kNumberBytes) return std::nullopt;
  return engine::OutputPieceKey{*TaskOfKey(key.substr(0, kFront)),
                                ReadBigEndian(key.substr(kFront))};
}

std::optional<engine::OutputExpiryKey> OutputExpiryOfKey(std::string_view key) {
  if (key.size() != kKindBytes + 3 * kNumberBytes) return std::nullopt;
  const auto number = [key](size_t index) {
    return ReadBigEndian(key.substr(kKindBytes + index * kNumberBytes, kNumberBytes));
  };
  return engine::OutputExpiryKey{static_cast<int64_t>(number(0)), {number(1), number(2)}};
}

std::optional<RequestKeyParts> RequestKeyOfKey(std::string_view key) {
  constexpr size_t kFront = kKindBytes + kLengthBytes;
  if (key.size() < kFront) return std::nullopt;
  const size_t queue_bytes = ReadBigEndian(key.substr(kKindBytes, kLengthBytes));
  if (key.size() - kFront < queue_bytes) return std::nullopt;
  return RequestKeyParts{key.substr(kFront, queue_bytes), key.substr(kFront + queue_bytes)};
}

std::optional<QueueNumber> QueueNumberOfKey(std::string_view key) {
  const std::optional<RequestKeyParts> parts = RequestKeyOfKey(key);  // both begin alike
  if (!parts.has_value() || parts->request_key.size() != kNumberBytes) return std::nullopt;
  return QueueNumber{parts->queue, ReadBigEndian(parts->request_key)};
}

std::string DescribeKey(std::string_view key) {
  switch (KindOfKey(key).value_or(RowKind{})) {
    case RowKind::kMeta:
      if (key.size() == kKindBytes) return "counters";
      break;
    case RowKind::kQueue:
      return absl::StrCat("queue ", Quoted(key.substr(kKindBytes)));
    case RowKind::kTask:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("task ", id->ToString());
      break;
    case RowKind::kRun:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("run of task ", id->ToString());
      break;
    case RowKind::kAttempt:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("attempts of task ", id->ToString());
      break;
    case RowKind::kGrant:
      if (const auto grant = NumberOfKey(key)) return absl::StrCat("grant ", *grant);
      break;
    case RowKind::kSession:
      if (const auto session = NumberOfKey(key)) return absl::StrCat("session ", *session);
      break;
    case RowKind::kFinished:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("outcome of task ", id->ToString());
      break;
    case RowKind::kReports:
      if (const auto number = NumberOfKey(key)) return absl::StrCat("reports ", *number);
      break;
    case RowKind::kKey:
      if (const auto parts = RequestKeyOfKey(key)) {
        return absl::StrCat("request key ", Quoted(parts->request_key), " of queue ",
                            Quoted(parts->queue));
      }
      break;
    case RowKind::kClock:
      if (key.size() == kKindBytes) return "the clock";
      break;
    case RowKind::kDeadLetter:
      if (const auto letter = QueueNumberOfKey(key)) {
        return absl::StrCat("dead letter ", letter->number, " of queue ", Quoted(letter->queue));
      }
      break;
    case RowKind::kDeadTask:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("dead task ", id->ToString());
      break;
    case RowKind::kLetterGroup:
      if (const auto group = QueueNumberOfKey(key)) {
        return absl::StrCat("a group of dead letters of queue ", Quoted(group->queue));
      }
      break;
    case RowKind::kLetterMove:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("move of dead task ", id->ToString());
      break;
    case RowKind::kJob:
      if (const auto job = NumberOfKey(key)) return absl::StrCat("job ", *job);
      break;
    case RowKind::kDrain:
      if (const auto drain = NumberOfKey(key)) return absl::StrCat("drain ", *drain);
      break;
    case RowKind::kAction:
      if (const auto action = NumberOfKey(key)) return absl::StrCat("action ", *action);
      break;
    case RowKind::kOutput:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("output of task ", id->ToString());
      break;
    case RowKind::kOutputPiece:
      if (const auto piece = OutputPieceOfKey(key)) {
        return absl::StrCat("output of task ", piece->task.ToString(), " from ", piece->first);
      }
      break;
    case RowKind::kOutputExpiry:
      if (const auto expiry = OutputExpiryOfKey(key)) {
        return absl::StrCat("the end of the output of task ", expiry->task.ToString());
      }
      break;
  }
  return absl::StrCat("key ", Quoted(key));
}

}  // namespace treadle::broker
