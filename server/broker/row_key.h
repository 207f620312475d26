#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "proto/support/task_id.h"
#include "server/engine/row.h"

namespace treadle::broker {

// The first byte of a stored row's key. Numbers in keys are 8 bytes big endian, so that a scan
// meets rows in the order of their ids.
//   'm'                                    counters
//   'q' name                               a queue
//   't' session sequence                   a task that has not ended, or a run: its first one
//   'u' session sequence                   what has ended of a run
//   'a' session sequence                   its attempts
//   'g' grant                              leases
//   's' session                            a session
//   'f' session sequence                   a task that has ended, or the last of several
//   'r' number                             unary reports that were accepted
//   'k' queue's length (2 bytes) queue key a request key
//   'c'                                    the clock
//   'd' queue's length (2 bytes) queue number   a dead letter
//   'p' session sequence                   its task
//   'e' queue's length (2 bytes) queue fingerprint   a group of a queue's dead letters
//   'x' session sequence                   a dead letter whose task is still a 't'
//   'j' number                             a job
//   'w' number                             a drain of workers
//   'l' number                             what an operator did
//   'b' session sequence                   how far the output of an unfinished task has come
//   'o' session sequence offset            a piece of a task's output
//   'y' time session sequence              when output of a task goes
// What has ended is apart from what has not, so that a start does not read it.
enum class RowKind : char {
  kMeta = 'm',
  kQueue = 'q',
  kTask = 't',
  kRun = 'u',
  kAttempt = 'a',
  kGrant = 'g',
  kSession = 's',
  kFinished = 'f',
  kReports = 'r',
  kKey = 'k',
  kClock = 'c',
  kDeadLetter = 'd',
  kDeadTask = 'p',
  kLetterGroup = 'e',
  kLetterMove = 'x',
  kJob = 'j',
  kDrain = 'w',
  kAction = 'l',
  kOutput = 'b',
  kOutputPiece = 'o',
  kOutputExpiry = 'y',
};

// Keys in [begin, end), as Store::Scan takes them.
struct KeyRange {
  std::string begin;
  std::string end;
};

// In place of what `key` holds, whose memory is used again.
void WriteKeyOf(const engine::Row& row, std::string& key);
void WriteKeyOf(const engine::RowKey& row_key, std::string& key);
std::string TaskRowKey(TaskId id);
// Of the last one of those in the row. So the row of a task, if there is one, is the first whose
// key is not below this one of the task.
std::string FinishedRowKey(TaskId last);
std::string DeadTaskRowKey(TaskId id);
std::string LetterMoveRowKey(TaskId id);
// This and the next two: REQUIRES: queue.size() < 65,536.
std::string DeadLetterRowKey(std::string_view queue, uint64_t number);
std::string RequestKeyRowKey(std::string_view queue, std::string_view request_key);

KeyRange AllRows();
KeyRange RowsOf(RowKind kind);
// Those of finished tasks whose last one is not before `id`; in the first row may be some before
// it.
KeyRange FinishedRowsFrom(TaskId id);
// Those whose last one is not after `id`.
KeyRange FinishedRowsUpTo(TaskId id);
// A queue's dead letters from this number on, below that one.
KeyRange DeadLettersBetween(std::string_view queue, uint64_t from, uint64_t before);
// What operators did, with numbers below that one.
KeyRange ActionsBelow(uint64_t before);
// A task's pieces of output with offsets from `from` on, below `before`.
KeyRange OutputPiecesBetween(TaskId task, uint64_t from, uint64_t before = UINT64_MAX);
// Of output that goes before this time, and from then on. REQUIRES: at_ms >= 0
KeyRange OutputExpiriesBefore(int64_t at_ms);
KeyRange OutputExpiriesFrom(int64_t at_ms);

// Absent: no stored row has such a key.
std::optional<RowKind> KindOfKey(std::string_view key);
// Of a 't', 'u', 'a', 'f', 'p', 'x' or 'b' key: the one in it. Absent: it is malformed.
std::optional<TaskId> TaskOfKey(std::string_view key);
// Of a 'g', 's', 'r', 'j', 'w' or 'l' key.
std::optional<uint64_t> NumberOfKey(std::string_view key);

struct QueueNumber {
  std::string_view queue;  // within the key's bytes
  uint64_t number = 0;
};
// Of a 'd' or 'e' key.
std::optional<QueueNumber> QueueNumberOfKey(std::string_view key);

// Of an 'o' key.
std::optional<engine::OutputPieceKey> OutputPieceOfKey(std::string_view key);
// Of a 'y' key.
std::optional<engine::OutputExpiryKey> OutputExpiryOfKey(std::string_view key);

struct RequestKeyParts {
  std::string_view queue;  // within the key's bytes
  std::string_view request_key;
};
std::optional<RequestKeyParts> RequestKeyOfKey(std::string_view key);

// A key as an operator may read it: "task cnsef1k6a7-1k9", "queue 'mail'".
std::string DescribeKey(std::string_view key);

}  // namespace treadle::broker
