#include "proto/search/field.h"

#include <array>

#include "proto/support/assert.h"

namespace treadle::search {
namespace {

constexpr std::array<FieldInfo, kFields> kTable = {{
    {Field::kText, "", Kind::kText, false,
     "a word by itself: it is in the id, the type or the error's message, in upper or lower case",
     "timeout"},
    {Field::kId, "id", Kind::kText, false, "the task's id", "id:cnsef1k6a7-1k9"},
    {Field::kQueue, "queue", Kind::kText, false, "its queue", "queue:mail"},
    {Field::kState, "state", Kind::kChoice, false,
     "its state; unfinished and finished stand for several", "state:failed,expired"},
    {Field::kType, "type", Kind::kText, false, "its type, the handler's name", "type:image-*"},
    {Field::kWorker, "worker", Kind::kText, false, "who runs it, or ran its last attempt",
     "-worker:w7"},
    {Field::kPriority, "priority", Kind::kNumber, false, "its priority", "priority>=10"},
    {Field::kAttempts, "attempts", Kind::kNumber, false,
     "attempts that were spent, and the one that runs", "attempts>=3"},
    {Field::kMaxAttempts, "max_attempts", Kind::kNumber, false, "attempts that it may have",
     "max_attempts:1"},
    {Field::kAge, "age", Kind::kDuration, false, "time since it was submitted", "age>5m"},
    {Field::kDue, "due", Kind::kDuration, false, "time until a scheduled task is due", "due<10m"},
    {Field::kRan, "ran", Kind::kDuration, false, "how long its last attempt ran, or has run by now",
     "ran>=90s"},
    {Field::kFinished, "finished", Kind::kDuration, false, "time since it ended", "finished<2h"},
    {Field::kSize, "size", Kind::kSize, false, "its payload's size", "size>64KiB"},
    {Field::kError, "error", Kind::kText, false,
     "the message of its error, or of its latest failed attempt's", "error~\"timed out\""},
    {Field::kErrorType, "error_type", Kind::kText, false, "the type of that error",
     "error_type:WorkerLost"},
    {Field::kKey, "key", Kind::kText, false, "its request key", "key:order-*"},
    {Field::kCancelReason, "cancel_reason", Kind::kText, false,
     "why a running task was told to stop", "cancel_reason~deploy"},
    {Field::kDead, "dead", Kind::kChoice, true, "whether it failed and is kept as a dead letter",
     "state:failed dead:yes"},
    {Field::kHeader, "header.", Kind::kText, true,
     "one of its headers, by name; known of unfinished tasks and of dead letters",
     "header.tenant:acme"},
}};

constexpr std::array<std::string_view, 9> kStates = {"scheduled", "queued",     "running",
                                                     "succeeded", "failed",     "cancelled",
                                                     "expired",   "unfinished", "finished"};
constexpr size_t kUnfinishedStates = 3;
constexpr size_t kSingleStates = 7;

}  // namespace

const FieldInfo& InfoOf(Field field) {
  const FieldInfo& info = kTable[static_cast<size_t>(field)];
  TREADLE_ASSERT(info.field == field);
  return info;
}

absl::Span<const FieldInfo> AllFields() { return kTable; }

std::optional<Field> FieldNamed(std::string_view name) {
  for (const FieldInfo& info : kTable) {
    if (info.field != Field::kText && info.field != Field::kHeader && info.name == name) {
      return info.field;
    }
  }
  return std::nullopt;
}

std::vector<std::string_view> ChoicesOf(Field field) {
  if (field == Field::kState) return {kStates.begin(), kStates.end()};
  if (field == Field::kDead) return {"yes", "no"};
  return {};
}

std::vector<std::string_view> Meaning(Field field, std::string_view choice) {
  if (field == Field::kState && choice == "unfinished") {
    return {kStates.begin(), kStates.begin() + kUnfinishedStates};
  }
  if (field == Field::kState && choice == "finished") {
    return {kStates.begin() + kUnfinishedStates, kStates.begin() + kSingleStates};
  }
  return {choice};
}

}  // namespace treadle::search
