#include "worker/session/output_box.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace treadle::worker {
namespace {

// Unless one entry alone has more.
constexpr int64_t kMessageBytes = 256 * limits::kKiB;
// Of an entry: its own fields, and its place here.
constexpr int64_t kEntryOverheadBytes = 64;

int64_t EntryBytes(size_t data_bytes, size_t content_type_bytes) {
  return static_cast<int64_t>(data_bytes + content_type_bytes) + kEntryOverheadBytes;
}

int64_t EntryBytes(const v1::OutputEntry& entry) {
  return EntryBytes(entry.data().size(), entry.content_type().size());
}

v1::OutputKind KindOf(OutputKind kind) {
  switch (kind) {
    case OutputKind::kLog:
      return v1::OUTPUT_KIND_LOG;
    case OutputKind::kStandardError:
      return v1::OUTPUT_KIND_STANDARD_ERROR;
    case OutputKind::kPart:
      return v1::OUTPUT_KIND_PART;
  }
  return v1::OUTPUT_KIND_UNSPECIFIED;
}

}  // namespace

bool OutputBox::HasRoom(const Buffer& buffer, int64_t bytes) const {
  return bytes_ + bytes <= kBytesMax &&
         (buffer.entries.empty() || buffer.bytes + bytes <= kAttemptBytesMax);
}

bool OutputBox::Add(uint64_t token, OutputEntry& entry, const std::function<void()>& room) {
  std::unique_ptr<Buffer>& place = buffers_[token];
  if (place == nullptr) place = std::make_unique<Buffer>();
  Buffer& buffer = *place;
  const int64_t bytes = EntryBytes(entry.data.size(), entry.content_type.size());
  if (!HasRoom(buffer, bytes)) {
    full_ |= bytes_ + bytes > kBytesMax;
    if (room) buffer.room_awaited.push_back(room);
    return false;
  }
  if (buffer.sent == buffer.entries.size()) turns_.push_back(token);
  v1::OutputEntry& added = buffer.entries.emplace_back();
  added.set_kind(KindOf(entry.kind));
  added.set_time_ms(entry.time_ms);
  added.set_data(std::move(entry.data));
  added.set_content_type(std::move(entry.content_type));
  buffer.bytes += bytes;
  bytes_ += bytes;
  ++waiting_;
  return true;
}

void OutputBox::EndBuffer(uint64_t token) {
  const auto it = buffers_.find(token);
  if (it == buffers_.end()) return;
  it->second->ended = true;
  TellOfRoom(*it->second);
  if (it->second->entries.empty()) buffers_.erase(it);
}

void OutputBox::Drop(uint64_t token) {
  if (const auto it = buffers_.find(token); it != buffers_.end()) Erase(it);
}

void OutputBox::DropAllBut(const google::protobuf::RepeatedField<uint64_t>& tokens) {
  if (buffers_.empty()) return;
  const absl::flat_hash_set<uint64_t> kept(tokens.begin(), tokens.end());
  for (auto it = buffers_.begin(); it != buffers_.end();) {
    const auto at = it++;
    if (!kept.contains(at->first)) Erase(at);
  }
}

void OutputBox::Erase(Buffers::iterator at) {
  Buffer& buffer = *at->second;
  Forget(buffer, buffer.entries.size());
  TellOfRoom(buffer);
  buffers_.erase(at);
}

// The first ones, sent or not.
void OutputBox::Forget(Buffer& buffer, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const int64_t bytes = EntryBytes(buffer.entries.front());
    buffer.bytes -= bytes;
    bytes_ -= bytes;
    buffer.entries.pop_front();
  }
  const size_t sent = std::min(count, buffer.sent);
  buffer.sent -= sent;
  waiting_ -= static_cast<int64_t>(count - sent);
  buffer.first_index += count;
  if (count > 0 && std::exchange(full_, false)) TellAllOfRoom();
}

void OutputBox::TellOfRoom(Buffer& buffer) {
  for (const auto& room : std::exchange(buffer.room_awaited, {})) room();
}

void OutputBox::TellAllOfRoom() {
  for (const auto& [token, buffer] : buffers_) TellOfRoom(*buffer);
}

OutputReports OutputBox::Take() {
  OutputReports reports;
  int64_t entries = 0;
  int64_t bytes = 0;
  const auto fits = [&](const v1::OutputEntry& entry) {
    return entries == 0 ||
           (entries < limits::kOutputEntriesMax && bytes + EntryBytes(entry) <= kMessageBytes);
  };
  while (!turns_.empty() && reports.size() < limits::kOutputReportsMax) {
    const uint64_t token = turns_.front();
    const auto it = buffers_.find(token);
    if (it == buffers_.end() || it->second->sent == it->second->entries.size()) {
      turns_.pop_front();
      continue;
    }
    Buffer& buffer = *it->second;
    if (!fits(buffer.entries[buffer.sent])) break;
    turns_.pop_front();
    v1::OutputReport& report = *reports.Add();
    report.set_token(token);
    report.set_first_index(buffer.first_index + buffer.sent);
    for (; buffer.sent < buffer.entries.size() && fits(buffer.entries[buffer.sent]);
         ++buffer.sent) {
      const v1::OutputEntry& entry = buffer.entries[buffer.sent];
      *report.add_entries() = entry;
      ++entries;
      bytes += EntryBytes(entry);
      --waiting_;
    }
    if (buffer.sent < buffer.entries.size()) turns_.push_back(token);
  }
  return reports;
}

bool OutputBox::WaitsIn(uint64_t token) const {
  const auto it = buffers_.find(token);
  return it != buffers_.end() && it->second->sent < it->second->entries.size();
}

void OutputBox::Handled(uint64_t token, uint64_t below_index) {
  const auto it = buffers_.find(token);
  if (it == buffers_.end() || below_index <= it->second->first_index) return;
  Buffer& buffer = *it->second;
  const uint64_t count = below_index - buffer.first_index;
  Forget(buffer, std::min<uint64_t>(count, buffer.entries.size()));
  TellOfRoom(buffer);
  if (buffer.ended && buffer.entries.empty()) buffers_.erase(it);
}

void OutputBox::StreamLost() {
  turns_.clear();
  waiting_ = 0;
  for (const auto& [token, buffer] : buffers_) {
    buffer->sent = 0;
    waiting_ += std::ssize(buffer->entries);
    if (!buffer->entries.empty()) turns_.push_back(token);
  }
  std::sort(turns_.begin(), turns_.end());
}

}  // namespace treadle::worker
