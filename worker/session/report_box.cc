#include "worker/session/report_box.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "proto/support/assert.h"
#include "proto/support/limits.h"

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
  size_ -= message->count;
  if (message->bytes > kSpareBytesMax || spare_.size() == kSpareMax) return;
  message->request.Clear();
  message->count = message->bytes = 0;
  spare_.push_back(std::move(message));
}

void ReportBox::Add(uint64_t token, AttemptResult result, int64_t payload_bytes_max) {
  std::variant<SuccessReport, v1::AttemptReport> report =
      ReportOf(token, std::move(result), payload_bytes_max);
  const int64_t bytes = std::visit([](const auto& of) { return ReportBytes(of); }, report);
  const bool fits = !open_.empty() && open_.back()->count < kMessageReportsMax &&
                    open_.back()->bytes + bytes <= limits::kOutgoingMessageBytes;
  if (!fits) open_.push_back(NewMessage());
  Message& message = *open_.back();
  if (auto* const success = std::get_if<SuccessReport>(&report)) {
    message.successes.push_back(*std::move(success));
  } else {
    *message.request.add_reports() = std::get<v1::AttemptReport>(std::move(report));
  }
  ++message.count;
  message.bytes += bytes;
  bytes_ += bytes;
  ++waiting_;
  ++size_;
}

// Moves the reports of attempts whose output must go first to a message of their own; nullptr:
// there are none.
ReportBox::MessagePtr ReportBox::HoldBack(Message& message, const OutputBox& said) {
  if (said.waiting() == 0) return nullptr;
  std::vector<SuccessReport>& successes = message.successes;
  auto& reports = *message.request.mutable_reports();
  const auto success =
      std::partition(successes.begin(), successes.end(),
                     [&](const SuccessReport& report) { return !said.WaitsIn(report.token); });
  const auto report =
      std::partition(reports.pointer_begin(), reports.pointer_end(),
                     [&](const v1::AttemptReport* each) { return !said.WaitsIn(each->token()); });
  const auto kept = static_cast<int>(report - reports.pointer_begin());
  if (success == successes.end() && kept == reports.size()) return nullptr;
  MessagePtr held_back = NewMessage();
  std::move(success, successes.end(), std::back_inserter(held_back->successes));
  successes.erase(success, successes.end());
  for (int i = kept; i < reports.size(); ++i) {
    *held_back->request.add_reports() = std::move(reports[i]);
  }
  reports.DeleteSubrange(kept, reports.size() - kept);
  Recount(message);
  Recount(*held_back);
  return held_back;
}

ReportBox::MessagePtr ReportBox::NextMessage(const OutputBox& said) {
  for (auto it = open_.begin(); it != open_.end(); ++it) {
    MessagePtr next = std::exchange(*it, HoldBack(**it, said));
    if (next->count == 0) continue;
    if (*it == nullptr) open_.erase(it);
    return next;
  }
  return NewMessage();
}

v1::AttachRequest& ReportBox::Take(bool numbered, OutputReports output, const OutputBox& said) {
  TREADLE_ASSERT(writing_ == nullptr);
  writing_ = NextMessage(said);
  if (writing_->count > 0) {
    waiting_ -= writing_->count;
    WriteRuns(std::exchange(writing_->successes, {}), writing_->request);
    numbered = true;
  }
  *writing_->request.mutable_output() = std::move(output);
  if (numbered) writing_->request.set_report_sequence(++last_sequence_);
  return writing_->request;
}

void ReportBox::Written() {
  TREADLE_ASSERT(writing_ != nullptr);
  // The output box has it too, and sends it again if need be.
  OutputReports().Swap(writing_->request.mutable_output());
  // The acknowledgement may be here before the write's end is told.
  if (writing_->count > 0 && writing_->request.report_sequence() > acknowledged_) {
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

void ReportBox::KeepReportsOnly(Message& message) {
  message.successes = TakeRuns(message.request);
  message.request.clear_hello();
  message.request.clear_credits();
  message.request.clear_started_tokens();
  message.request.clear_progress();
  message.request.clear_report_sequence();
  message.request.clear_answer_may_wait();
  message.request.clear_drain();
  message.request.clear_handlers();
}

void ReportBox::StreamLost() {
  if (writing_ != nullptr) Written();
  for (; !sent_.empty(); sent_.pop_back()) {
    KeepReportsOnly(*sent_.back());
    waiting_ += sent_.back()->count;
    open_.push_front(std::move(sent_.back()));
  }
  last_sequence_ = 0;
  acknowledged_ = 0;
}

void ReportBox::AddHeld(v1::WorkerHello& hello) const {
  for (const MessagePtr& message : open_) {
    for (const SuccessReport& report : message->successes) hello.add_held_tokens(report.token);
    for (const v1::AttemptReport& report : message->request.reports()) {
      hello.add_held_tokens(report.token());
    }
  }
}

void ReportBox::Drop(const absl::flat_hash_set<uint64_t>& tokens) {
  for (MessagePtr& message : open_) {
    std::erase_if(message->successes,
                  [&](const SuccessReport& report) { return tokens.contains(report.token); });
    auto& reports = *message->request.mutable_reports();
    reports.erase(
        std::remove_if(reports.begin(), reports.end(),
                       [&](const auto& report) { return tokens.contains(report.token()); }),
        reports.end());
    Recount(*message);
  }
  std::erase_if(open_, [this](MessagePtr& message) {
    if (message->count != 0) return false;
    Forget(std::move(message));
    return true;
  });
  waiting_ = 0;
  for (const MessagePtr& message : open_) waiting_ += message->count;
}

void ReportBox::Recount(Message& message) {
  const int64_t count = std::ssize(message.successes) + message.request.reports_size();
  int64_t bytes = 0;
  for (const SuccessReport& report : message.successes) bytes += ReportBytes(report);
  for (const v1::AttemptReport& report : message.request.reports()) bytes += ReportBytes(report);
  size_ += count - std::exchange(message.count, count);
  bytes_ += bytes - std::exchange(message.bytes, bytes);
}

}  // namespace treadle::worker
