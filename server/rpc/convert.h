#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/broker/delivery.h"
#include "server/engine/command.h"
#include "server/engine/options.h"
#include "server/engine/output.h"
#include "server/engine/row.h"
#include "server/engine/types.h"
#include "server/engine/view.h"
#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/dead_letter_service.pb.h"
#include "treadle/v1/job_service.pb.h"
#include "treadle/v1/output.pb.h"
#include "treadle/v1/queue_service.pb.h"
#include "treadle/v1/task.pb.h"
#include "treadle/v1/task_service.pb.h"
#include "treadle/v1/worker_service.pb.h"

// Between the proto messages, which validate.h has found good, and the engine's values. What comes
// from a message is moved out of it where it may be long.

namespace treadle::rpc {

// On the wire 0 stands for the default.
template <typename T>
T OrDefault(T value, T default_value) {
  return value == 0 ? default_value : value;
}

std::vector<std::string> ReadNames(google::protobuf::RepeatedPtrField<std::string>& names);
// With the defaults in place of zeros.
engine::QueueConfig ReadQueue(v1::QueueConfig& config, const engine::EngineOptions& options);
// Leaves what is absent as it is.
void Read(const v1::DeadLetterPolicy& policy, engine::DeadLetterPolicy& read);
// With the defaults in place of zeros; one that never opens is as none.
engine::CircuitBreaker ReadBreaker(const v1::CircuitBreaker& breaker);
engine::AttachWorker ReadHello(v1::WorkerHello& hello);
// `body` is the result, null when there is none.
engine::EndAttempt ReadReport(v1::AttemptReport& report, broker::BodyPtr& body);
// Of one result, or of several behind one another.
broker::BodyPtr ReadResult(std::string bytes, const std::string& content_type);
broker::ProgressState ReadProgress(v1::Progress& progress);
std::vector<engine::OutputEntry> ReadEntries(
    google::protobuf::RepeatedPtrField<v1::OutputEntry>& entries);

// A group of dead letters as it is named outside. ReadGroup: INVALID_ARGUMENT, it is none.
std::string WriteGroup(uint64_t fingerprint);
absl::StatusOr<uint64_t> ReadGroup(const std::string& group);
absl::Status UnknownTaskError(TaskId task);
// The level that an acknowledgement states, on a store that reaches the disk, or does not.
v1::Durability AckLevel(engine::Durability reached, bool disk);

// A session's, 16 bytes on the wire. NewSecret makes one that nobody can foretell; ReadSecret gives
// for an absent one what no session has.
engine::ResumeSecret NewSecret();
engine::ResumeSecret ReadSecret(const std::string& bytes);
std::string WriteSecret(const engine::ResumeSecret& secret);

// REQUIRES: payload.body is not null.
void Write(const broker::BodyPart& payload, v1::GetPayloadResponse* out);
void Write(const broker::BodyPart& payload, v1::GetDeadLetterResponse* out);
// REQUIRES: it is one task.
void Write(const broker::LeasedRun& run, int64_t now_ms, v1::LeasedTask* out);
// Of one of them, all but the payload.
void WriteSpec(const broker::LeasedRun& run, uint32_t index, int64_t now_ms, v1::LeasedTask* out);
// Its tasks may be in one run on the wire with those before, behind them.
bool Continues(const broker::LeasedRun& run, const broker::LeasedRun& before);
// Those of the tasks [first, end).
void AppendPayloads(const broker::LeasedRun& run, uint32_t first, uint32_t end, v1::LeasedRun* out);
int64_t PayloadBytes(const broker::LeasedRun& run, uint32_t index);
// What describes the tasks and their payloads takes, about.
int64_t BytesBesidesPayload(const broker::LeasedRun& run);
void Write(const broker::OutcomeReady& outcome, v1::Outcome* out);
void Write(const engine::TaskError& error, v1::TaskError* out);
void Write(const broker::ProgressState& progress, v1::Progress* out);
void Write(const engine::TaskView& view, const broker::ProgressState* progress, v1::Task* out);
void Write(const engine::FinishedRow& row, v1::Task* out);
void Write(const std::vector<engine::FailedAttempt>& failed, v1::Task* out);
void Write(const engine::DeadLetterRow& row, v1::DeadLetter* out);
void Write(const engine::LetterGroupView& view, v1::DeadLetterGroup* out);
void Write(const engine::QueueView& view, v1::Queue* out);
void Write(const engine::JobView& view, v1::Job* out);
void Write(const engine::WorkerView& view, v1::Worker* out);
void Write(const engine::Quarantine& quarantine, v1::WorkerQuarantine* out);
void Write(const engine::DrainView& view, v1::Drain* out);
void Write(const engine::ActionRow& row, v1::Action* out);
void Write(const engine::StopAttempt& stop, v1::StopNotice* out);
void Write(const engine::ReportDone& done, v1::ReportResult* out);
void Write(engine::OutputPieceRow piece, v1::OutputRun* out);

}  // namespace treadle::rpc
