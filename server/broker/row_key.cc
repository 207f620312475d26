#include "server/broker/row_key.h"

#include <type_traits>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

namespace treadle::broker {
namespace {

constexpr size_t kKindBytes = 1;
constexpr size_t kNumberBytes = 8;
constexpr size_t kLengthBytes = 2;

std::string KeyWith(RowKind kind, size_t bytes) {
  std::string key;
  key.reserve(kKindBytes + bytes);
  key.push_back(static_cast<char>(kind));
  return key;
}

void AppendBigEndian(std::string& key, uint64_t number, size_t bytes) {
  for (size_t shift = 8 * bytes; shift > 0; shift -= 8) {
    key.push_back(static_cast<char>(number >> (shift - 8)));
  }
}

uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

std::string TextKey(RowKind kind, std::string_view text) {
  std::string key = KeyWith(kind, text.size());
  key.append(text);
  return key;
}

std::string NumberKey(RowKind kind, uint64_t number) {
  std::string key = KeyWith(kind, kNumberBytes);
  AppendBigEndian(key, number, kNumberBytes);
  return key;
}

std::string TaskIdKey(RowKind kind, TaskId id) {
  std::string key = KeyWith(kind, 2 * kNumberBytes);
  AppendBigEndian(key, id.session, kNumberBytes);
  AppendBigEndian(key, id.sequence, kNumberBytes);
  return key;
}

struct Keys {
  std::string operator()(const engine::MetaRow&) const { return TextKey(RowKind::kMeta, {}); }
  std::string operator()(const engine::QueueRow& row) const {
    return TextKey(RowKind::kQueue, row.config.name);
  }
  std::string operator()(const engine::TaskRow& row) const { return TaskRowKey(row.id); }
  std::string operator()(const engine::FinishedRow& row) const { return TaskRowKey(row.id); }
  std::string operator()(const engine::AttemptRow& row) const {
    return TaskIdKey(RowKind::kAttempt, row.id);
  }
  std::string operator()(const engine::GrantRow& row) const {
    return NumberKey(RowKind::kGrant, static_cast<uint64_t>(row.grant));
  }
  std::string operator()(const engine::SessionRow& row) const {
    return NumberKey(RowKind::kSession, row.session);
  }
  std::string operator()(const engine::KeyRow& row) const {
    return RequestKeyRowKey(row.queue, row.key);
  }

  std::string operator()(const engine::QueueKey& key) const {
    return TextKey(RowKind::kQueue, key.name);
  }
  std::string operator()(const engine::TaskKey& key) const { return TaskRowKey(key.id); }
  std::string operator()(const engine::AttemptKey& key) const {
    return TaskIdKey(RowKind::kAttempt, key.id);
  }
  std::string operator()(const engine::GrantKey& key) const {
    return NumberKey(RowKind::kGrant, static_cast<uint64_t>(key.grant));
  }
  std::string operator()(const engine::SessionKey& key) const {
    return NumberKey(RowKind::kSession, key.session);
  }
};

// The first key of the next kind.
std::string EndOf(RowKind kind) {
  return std::string(1, static_cast<char>(static_cast<char>(kind) + 1));
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(absl::string_view(text.data(), text.size())), "'");
}

}  // namespace

std::string KeyOf(const engine::Row& row) { return std::visit(Keys(), row); }
std::string KeyOf(const engine::RowKey& key) { return std::visit(Keys(), key); }
std::string TaskRowKey(TaskId id) { return TaskIdKey(RowKind::kTask, id); }

std::string RequestKeyRowKey(std::string_view queue, std::string_view request_key) {
  TREADLE_ASSERT(queue.size() >> (8 * kLengthBytes) == 0);
  std::string key = KeyWith(RowKind::kKey, kLengthBytes + queue.size() + request_key.size());
  AppendBigEndian(key, queue.size(), kLengthBytes);
  key.append(queue).append(request_key);
  return key;
}

KeyRange AllRows() { return {"", "\xff"}; }

KeyRange RowsOf(RowKind kind) { return {std::string(1, static_cast<char>(kind)), EndOf(kind)}; }

KeyRange TaskRowsAfter(TaskId id) { return {TaskRowKey(id) + '\0', EndOf(RowKind::kTask)}; }

KeyRange TaskRowsOfSession(uint64_t session) {
  return {NumberKey(RowKind::kTask, session),
          session == UINT64_MAX ? EndOf(RowKind::kTask) : NumberKey(RowKind::kTask, session + 1)};
}

std::optional<RowKind> KindOfKey(std::string_view key) {
  if (key.empty()) return std::nullopt;
  switch (const auto kind = static_cast<RowKind>(key[0])) {
    case RowKind::kMeta:
    case RowKind::kQueue:
    case RowKind::kTask:
    case RowKind::kAttempt:
    case RowKind::kGrant:
    case RowKind::kSession:
    case RowKind::kKey:
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

std::optional<RequestKeyParts> RequestKeyOfKey(std::string_view key) {
  constexpr size_t kFront = kKindBytes + kLengthBytes;
  if (key.size() < kFront) return std::nullopt;
  const size_t queue_bytes = ReadBigEndian(key.substr(kKindBytes, kLengthBytes));
  if (key.size() - kFront < queue_bytes) return std::nullopt;
  return RequestKeyParts{key.substr(kFront, queue_bytes), key.substr(kFront + queue_bytes)};
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
    case RowKind::kAttempt:
      if (const auto id = TaskOfKey(key)) return absl::StrCat("attempts of task ", id->ToString());
      break;
    case RowKind::kGrant:
      if (const auto grant = NumberOfKey(key)) return absl::StrCat("grant ", *grant);
      break;
    case RowKind::kSession:
      if (const auto session = NumberOfKey(key)) return absl::StrCat("session ", *session);
      break;
    case RowKind::kKey:
      if (const auto parts = RequestKeyOfKey(key)) {
        return absl::StrCat("request key ", Quoted(parts->request_key), " of queue ",
                            Quoted(parts->queue));
      }
      break;
  }
  return absl::StrCat("key ", Quoted(key));
}

}  // namespace treadle::broker
