#include "worker/session/report_box.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"
#include "proto/support/limits.h"
#include "worker/session/report.h"

namespace treadle::worker {
namespace {

constexpr int kMessageReportsMax = 4'096;
// Larger messages are freed rather than used again: strings keep the room that they once needed.
constexpr int64_t kSpareBytesMax = 256 * limits::kKiB;
constexpr size_t kSpareMax = 8;

}  // namespace

ReportBox::ReportBox() = default;

ReportBox::MessagePtr ReportBox::NewMessage() {
  if (spare_.empty()) return std::make_unique<Message>();
  MessagePtr message = std::move(spare_.back());
  spare_.pop_back();
  return message;
}

void ReportBox::Forget(MessagePtr message) {
  bytes_ -= message->bytes;
  size_ -= message->request.reports_size();
  if (message->bytes > kSpareBytesMax || spare_.size() == kSpareMax) return;
  message->request.Clear();
  message->bytes = 0;
  spare_.push_back(std::move(message));
}

void ReportBox::Add(uint64_t token, AttemptResult result, int64_t payload_bytes_max) {
  const auto upcoming = static_cast<int64_t>(result.bytes.size() + result.error_message.size());
  const bool fits = !open_.empty() && open_.back()->request.reports_size() < kMessageReportsMax &&
                    open_.back()->bytes + upcoming <= limits::kOutgoingMessageBytes;
  if (!fits) open_.push_back(NewMessage());
  Message& message = *open_.back();
  v1::AttemptReport& report = *message.request.add_reports();
  WriteReport(token, std::move(result), payload_bytes_max, report);
  const int64_t bytes = ReportBytes(report);
  message.bytes += bytes;
  bytes_ += bytes;
  ++waiting_;
  ++size_;
}

v1::AttachRequest& ReportBox::Take(bool numbered) {
  TREADLE_ASSERT(writing_ == nullptr);
  if (open_.empty()) {
    writing_ = NewMessage();
  } else {
    writing_ = std::move(open_.front());
    open_.pop_front();
    waiting_ -= writing_->request.reports_size();
    numbered = true;
  }
  if (numbered) writing_->request.set_report_sequence(++last_sequence_);
  return writing_->request;
}

void ReportBox::Written() {
  TREADLE_ASSERT(writing_ != nullptr);
  const v1::AttachRequest& request = writing_->request;
  // The acknowledgement may be here before the write's end is told.
  if (request.reports_size() > 0 && request.report_sequence() > acknowledged_) {
    sent_.push_back(std::move(writing_));
  } else {
    Forget(std::move(writing_));
  }
}

void ReportBox::Acknowledge(uint64_t report_sequence) {
  acknowledged_ = std::max(acknowledged_, std::min(report_sequence, last_sequence_));
  while (!sent_.empty() && sent_.front()->request.report_sequence() <= acknowledged_) {
    Forget(std::move(sent_.front()));
    sent_.pop_front();
  }
}

void ReportBox::KeepReportsOnly(v1::AttachRequest& request) {
  request.clear_hello();
  request.clear_credits();
  request.clear_started_tokens();
  request.clear_progress();
  request.clear_report_sequence();
  request.clear_drain();
  request.clear_handlers();
}

void ReportBox::StreamLost() {
  if (writing_ != nullptr) Written();
  for (; !sent_.empty(); sent_.pop_back()) {
    KeepReportsOnly(sent_.back()->request);
    waiting_ += sent_.back()->request.reports_size();
    open_.push_front(std::move(sent_.back()));
  }
  last_sequence_ = 0;
  acknowledged_ = 0;
}

void ReportBox::AddHeld(v1::WorkerHello& hello) const {
  for (const MessagePtr& message : open_) {
    for (const v1::AttemptReport& report : message->request.reports()) {
      hello.add_held_tokens(report.token());
    }
  }
}

void ReportBox::Drop(const absl::flat_hash_set<uint64_t>& tokens) {
  for (MessagePtr& message : open_) {
    auto& reports = *message->request.mutable_reports();
    size_ -= reports.size();
    reports.erase(
        std::remove_if(reports.begin(), reports.end(),
                       [&](const auto& report) { return tokens.contains(report.token()); }),
        reports.end());
    size_ += reports.size();
    int64_t bytes = 0;
    for (const v1::AttemptReport& report : reports) bytes += ReportBytes(report);
    bytes_ += bytes - std::exchange(message->bytes, bytes);
  }
  std::erase_if(open_, [this](MessagePtr& message) {
    if (message->request.reports_size() != 0) return false;
    Forget(std::move(message));
    return true;
  });
  waiting_ = 0;
  for (const MessagePtr& message : open_) waiting_ += message->request.reports_size();
}

}  // namespace treadle::worker
