#include "client/ledger/run_writer.h"

#include "client/ledger/wire_format.h"

#include "proto/support/assert.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::client {
namespace {

// Tags and lengths, the sequence, and a size and a key's head for the task.
constexpr size_t kHeadBytesMax = 64;
constexpr size_t kTaskBytesMax = 16;

size_t OwnBytesMax(const EncodedTask& task) {
  return task.payload.size() + task.request_key.size() + kTaskBytesMax;
}

}  // namespace

RunWriter::~RunWriter() { TREADLE_ASSERT(tasks_.empty()); }

size_t RunWriter::BytesMax(const EncodedTask& task) {
  return kHeadBytesMax + task.common->size() + OwnBytesMax(task);
}

size_t RunWriter::BytesWith(const EncodedTask& task) const {
  return message_.size() + bytes_max_ + BytesMax(task);
}

bool RunWriter::GoesOn(uint64_t sequence, const EncodedTask& task) const {
  if (tasks_.empty() || sequence != first_sequence_ + tasks_.size()) return false;
  const EncodedTask& first = *tasks_.front();
  return first.request_key.empty() == task.request_key.empty() &&
         (first.common == task.common || *first.common == *task.common);
}

void RunWriter::Add(uint64_t sequence, const EncodedTask& task) {
  if (GoesOn(sequence, task)) {
    bytes_max_ += OwnBytesMax(task);
  } else {
    Finish();
    first_sequence_ = sequence;
    bytes_max_ = BytesMax(task);
  }
  tasks_.push_back(&task);
  payload_bytes_ += task.payload.size();
}

void RunWriter::Finish() {
  using v1::TaskRun;
  if (tasks_.empty()) return;
  std::string sizes;
  std::string keys;
  for (const EncodedTask* const task : tasks_) {
    AppendVarint(sizes, task->payload.size());
    if (!task->request_key.empty()) {
      AppendField(keys, TaskRun::kRequestKeysFieldNumber, task->request_key);
    }
  }
  std::string head;
  AppendField(head, TaskRun::kFirstSequenceFieldNumber, first_sequence_);
  AppendField(head, TaskRun::kCommonFieldNumber, *tasks_.front()->common);
  AppendField(head, TaskRun::kPayloadSizesFieldNumber, sizes);
  AppendLength(head, TaskRun::kPayloadsFieldNumber, payload_bytes_);
  AppendLength(message_, field_, head.size() + payload_bytes_ + keys.size());
  message_ += head;
  for (const EncodedTask* const task : tasks_) message_ += task->payload;
  message_ += keys;
  tasks_.clear();
  payload_bytes_ = bytes_max_ = 0;
}

}  // namespace treadle::client
