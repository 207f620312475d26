#include <climits>
#include <cstdint>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message_lite.h"
#include "google/protobuf/wire_format_lite.h"

#include "server/broker/row_codec.h"
#include "server/store/expiry.h"
#include "treadle/storage/v1/rows.pb.h"

namespace treadle::broker {
namespace {

using google::protobuf::MessageLite;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// A reason not to believe a row; Decode names the row.
absl::Status Damaged(absl::string_view reason) { return absl::DataLossError(reason); }

absl::Status Parse(std::string_view bytes, MessageLite& message) {
  if (bytes.size() > INT_MAX ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged("its message does not parse");
  }
  return absl::OkStatus();
}

struct Parts {
  std::string_view meta;
  std::optional<std::string_view> body;
};

// A row's message, and the body that is its last field.
std::optional<Parts> SplitBody(std::string_view message, int body_field) {
  if (message.size() > INT_MAX) return std::nullopt;
  const uint32_t body_tag =
      WireFormatLite::MakeTag(body_field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  const int size = static_cast<int>(message.size());
  CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()), size);
  while (true) {
    const int field_at = in.CurrentPosition();
    if (field_at == size) return Parts{message, std::nullopt};
    const uint32_t tag = in.ReadTag();
    if (tag == body_tag) {
      uint32_t body_bytes = 0;
      if (!in.ReadVarint32(&body_bytes)) return std::nullopt;
      const std::string_view rest = message.substr(static_cast<size_t>(in.CurrentPosition()));
      if (rest.size() != body_bytes) return std::nullopt;
      return Parts{message.substr(0, static_cast<size_t>(field_at)), rest};
    }
    if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) return std::nullopt;
  }
}

absl::Status DecodeBody(std::string_view bytes, Body& body) {
  storage::v1::Body message;
  if (absl::Status status = Parse(bytes, message); !status.ok()) return status;
  body.bytes = std::move(*message.mutable_bytes());
  body.content_type = std::move(*message.mutable_content_type());
  body.headers.reserve(static_cast<size_t>(message.headers_size()));
  for (storage::v1::Header& header : *message.mutable_headers()) {
    body.headers.emplace_back(std::move(*header.mutable_key()), std::move(*header.mutable_value()));
  }
  return absl::OkStatus();
}

absl::Status ParseWithBody(std::string_view bytes, int body_field, MessageLite& message,
                           std::optional<Body>* body) {
  const std::optional<Parts> parts = SplitBody(bytes, body_field);
  if (!parts.has_value()) return Damaged("its fields do not parse");
  if (absl::Status status = Parse(parts->meta, message); !status.ok()) return status;
  if (body == nullptr) return absl::OkStatus();
  return parts->body.has_value() ? DecodeBody(*parts->body, body->emplace()) : absl::OkStatus();
}

template <typename Enum>
absl::Status ToEnum(int32_t number, Enum first, Enum last, Enum& to) {
  if (number < static_cast<int32_t>(first) || number > static_cast<int32_t>(last)) {
    return Damaged(absl::StrCat("it has an unknown enum value ", number));
  }
  to = static_cast<Enum>(number);
  return absl::OkStatus();
}

template <typename T>
std::optional<T> Optional(bool has, T value) {
  return has ? std::optional(value) : std::nullopt;
}

engine::TaskError ErrorOf(storage::v1::Error& error) {
  return {.type = std::move(*error.mutable_type()),
          .message = std::move(*error.mutable_message()),
          .worker = std::move(*error.mutable_worker()),
          .attempt = error.attempt(),
          .permanent = error.permanent(),
          .exit_code = Optional(error.has_exit_code(), error.exit_code()),
          .signal = Optional(error.has_signal(), error.signal()),
          .retry_after_ms = Optional(error.has_retry_after_ms(), error.retry_after_ms())};
}

std::vector<engine::FailedAttempt> FailedOf(
    google::protobuf::RepeatedPtrField<storage::v1::FailedAttempt>& failed) {
  std::vector<engine::FailedAttempt> attempts;
  attempts.reserve(static_cast<size_t>(failed.size()));
  for (storage::v1::FailedAttempt& one : failed) {
    attempts.push_back({.error = ErrorOf(*one.mutable_error()),
                        .runnable_at_ms = one.runnable_at_ms(),
                        .leased_at_ms = one.leased_at_ms(),
                        .started_at_ms = one.started_at_ms(),
                        .ended_at_ms = one.ended_at_ms()});
  }
  return attempts;
}

engine::RetryPolicy RetryOf(storage::v1::Retry& retry) {
  engine::RetryPolicy policy = {.initial_delay_ms = retry.initial_delay_ms(),
                                .multiplier = retry.multiplier(),
                                .max_delay_ms = retry.max_delay_ms(),
                                .jitter = retry.jitter()};
  for (std::string& type : *retry.mutable_no_retry_error_types()) {
    policy.no_retry_error_types.push_back(std::move(type));
  }
  return policy;
}

}  // namespace

struct RowDecoder::State {
  storage::v1::Meta meta;
  storage::v1::Queue queue;
  storage::v1::Task task;
  storage::v1::Run run;
  storage::v1::Attempt attempt;
  storage::v1::Grant grant;
  storage::v1::Finished finished;
  storage::v1::Session session;
  storage::v1::Reports reports;
  storage::v1::Key key_message;
  storage::v1::Clock clock;
  storage::v1::DeadLetter letter;
  storage::v1::LetterGroup group;
  storage::v1::LetterMove move;
  storage::v1::Job job;
  storage::v1::Drain drain;
  storage::v1::Action action;
  storage::v1::Output output;
  storage::v1::OutputPiece piece;
  storage::v1::OutputExpiry expiry;

  // The last ones seen: rows come by session, and a session's tasks are much alike.
  engine::Name last_queue;
  engine::Name last_type;
  engine::Name last_worker;
  std::shared_ptr<const engine::RetryPolicy> last_retry;

  static engine::Name Share(std::string&& name, engine::Name& last) {
    if (last == nullptr || *last != name)
      last = std::make_shared<const std::string>(std::move(name));
    return last;
  }

  std::shared_ptr<const engine::RetryPolicy> Share(engine::RetryPolicy&& policy) {
    if (last_retry == nullptr || *last_retry != policy) {
      last_retry = std::make_shared<const engine::RetryPolicy>(std::move(policy));
    }
    return last_retry;
  }

  absl::StatusOr<engine::Row> Meta(std::string_view bytes) {
    if (absl::Status status = Parse(bytes, meta); !status.ok()) return status;
    return engine::MetaRow{meta.next_session(), meta.next_token(),  meta.next_grant(),
                           meta.next_order(),   meta.next_letter(), meta.actions()};
  }

  absl::StatusOr<engine::Row> Queue(std::string_view key, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, queue); !status.ok()) return status;
    if (queue.name() != key.substr(1)) return Damaged("its name differs from its key's");
    engine::QueueRow row;
    absl::Status status = ToEnum(queue.discipline(), engine::Discipline::kFifo,
                                 engine::Discipline::kPriority, row.config.discipline);
    if (!status.ok()) return status;
    row.config.name = queue.name();
    row.config.max_tasks = queue.max_tasks();
    row.config.max_bytes = queue.max_bytes();
    row.pause = {.since_ms = queue.paused_at_ms(),
                 .until_ms = queue.paused_until_ms(),
                 .by_breaker = queue.paused_by_breaker(),
                 .reason = std::move(*queue.mutable_pause_reason())};
    row.closed = queue.closed();
    row.version = std::max<int64_t>(1, queue.version());  // from before there were versions: 0
    if (queue.breaker_failure_percent() > 0) {
      row.config.breaker = {.failure_percent = queue.breaker_failure_percent(),
                            .min_attempts = queue.breaker_min_attempts(),
                            .window_ms = queue.breaker_window_ms(),
                            .resume_after_ms = queue.breaker_resume_after_ms()};
    }
    row.config.fail_unserved_after_ms = queue.fail_unserved_after_ms();
    row.created_at_ms = queue.created_at_ms();
    row.config.dead_letters = {.max_tasks = queue.letters_max(),
                               .max_bytes = queue.letter_bytes_max(),
                               .ttl_ms = queue.letter_ttl_ms()};
    return row;
  }

  absl::StatusOr<engine::Row> Task(TaskId id, std::string_view bytes, std::optional<Body>* body) {
    absl::Status status = ParseWithBody(bytes, storage::v1::Task::kBodyFieldNumber, task, body);
    if (!status.ok()) return status;
    engine::TaskRow row;
    row.id = id;
    status = ToEnum(task.durability(), engine::Durability::kMemory, engine::Durability::kSynced,
                    row.spec.durability);
    if (!status.ok()) return status;
    row.spec.queue = std::move(*task.mutable_queue());
    row.spec.type = std::move(*task.mutable_type());
    row.spec.priority = task.priority();
    row.spec.run_at_ms = task.run_at_ms();
    row.spec.deadline_at_ms = task.deadline_at_ms();
    row.spec.attempt_timeout_ms = task.attempt_timeout_ms();
    row.spec.result_ttl_ms = task.result_ttl_ms();
    row.spec.max_attempts = task.max_attempts();
    row.spec.payload_bytes = task.payload_bytes();
    if (task.has_retry()) row.spec.retry = Share(RetryOf(*task.mutable_retry()));
    row.spec.request_key = std::move(*task.mutable_request_key());
    row.spec.digest = {task.digest_high(), task.digest_low()};
    row.order = task.order();
    row.submitted_at_ms = task.submitted_at_ms();
    row.spec.delay_ms = task.delay_ms();
    row.spec.deadline_in_ms = task.deadline_in_ms();
    row.payload_sizes.assign(task.payload_sizes().begin(), task.payload_sizes().end());
    status = CheckSizes(row, body);
    if (!status.ok()) return status;
    return row;
  }

  static bool AddUpTo(const std::vector<uint32_t>& sizes, uint64_t bytes) {
    return bytes <= UINT32_MAX && std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}) == bytes;
  }

  static absl::Status CheckSizes(const engine::TaskRow& row, const std::optional<Body>* body) {
    const uint64_t bytes = row.spec.payload_bytes;
    const std::vector<uint32_t>& sizes = row.payload_sizes;
    if (!sizes.empty() && !AddUpTo(sizes, bytes)) {
      return Damaged("its payloads' sizes do not add up");
    }
    if (row.id.sequence + (row.tasks() - 1) < row.id.sequence) {
      return Damaged("it has more tasks than there are sequences");
    }
    if (body != nullptr && body->has_value() && (*body)->bytes.size() != bytes) {
      return Damaged("its payload is not as long as it says");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<engine::Row> Run(TaskId id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, run); !status.ok()) return status;
    if (run.finished_size() % 2 != 0) return Damaged("its ranges are not pairs");
    engine::RunRow row = {.id = id, .finished = {}};
    for (int i = 0; i < run.finished_size(); i += 2) {
      row.finished.emplace_back(run.finished(i), run.finished(i + 1));
    }
    return row;
  }

  absl::StatusOr<engine::Row> Finished(TaskId id, int64_t drop_at_ms, std::string_view bytes,
                                       std::optional<Body>* body) {
    absl::Status status =
        ParseWithBody(bytes, storage::v1::Finished::kBodyFieldNumber, finished, body);
    if (!status.ok()) return status;
    engine::FinishedRow row;
    row.id = id;
    status = ToEnum(finished.state(), engine::TaskState::kSucceeded, engine::TaskState::kExpired,
                    row.state);
    if (!status.ok()) return status;
    row.queue = Share(std::move(*finished.mutable_queue()), last_queue);
    row.type = Share(std::move(*finished.mutable_type()), last_type);
    row.priority = finished.priority();
    row.attempts = finished.attempts();
    row.max_attempts = finished.max_attempts();
    row.submitted_at_ms = finished.submitted_at_ms();
    row.deadline_at_ms = finished.deadline_at_ms();
    row.finished_at_ms = finished.finished_at_ms();
    row.expires_at_ms = finished.expires_at_ms();
    row.drop_at_ms = drop_at_ms;
    row.payload_bytes = finished.payload_bytes();
    row.request_key = std::move(*finished.mutable_request_key());
    if (!finished.worker().empty()) {
      row.worker = Share(std::move(*finished.mutable_worker()), last_worker);
    }
    row.leased_at_ms = finished.leased_at_ms();
    row.started_at_ms = finished.started_at_ms();
    row.failed = FailedOf(*finished.mutable_failed());
    if (finished.has_error()) row.error = ErrorOf(*finished.mutable_error());
    row.payload_sizes.assign(finished.payload_sizes().begin(), finished.payload_sizes().end());
    row.result_sizes.assign(finished.result_sizes().begin(), finished.result_sizes().end());
    status = TakeSizes(row, body);
    if (!status.ok()) return status;
    return row;
  }

  // The row is under the last one's key.
  static absl::Status TakeSizes(engine::FinishedRow& row, const std::optional<Body>* body) {
    const size_t tasks = row.result_sizes.size();
    if (row.payload_sizes.size() != tasks) return Damaged("its columns are not of one length");
    if (tasks == 0) return absl::OkStatus();
    if (tasks > row.id.sequence || row.state != engine::TaskState::kSucceeded) {
      return Damaged("it cannot be of as many tasks as it says");
    }
    row.task_row_stays = true;
    row.tasks = static_cast<uint32_t>(tasks);
    row.id.sequence -= tasks - 1;
    if (!AddUpTo(row.payload_sizes, row.payload_bytes)) {
      return Damaged("its payloads' sizes do not add up");
    }
    if (body != nullptr && body->has_value() && !AddUpTo(row.result_sizes, (*body)->bytes.size())) {
      return Damaged("its results' sizes do not add up");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<engine::Row> Attempt(TaskId id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, attempt); !status.ok()) return status;
    return engine::AttemptRow{.id = id,
                              .attempts_spent = attempt.attempts_spent(),
                              .last_token = engine::Token{attempt.last_token()},
                              .run_at_ms = attempt.run_at_ms(),
                              .lease_ms = attempt.lease_ms(),
                              .losses = attempt.losses(),
                              .returns = attempt.returns(),
                              .cancel_requested = attempt.cancel_requested(),
                              .suspect = attempt.suspect(),
                              .cancel_reason = std::move(*attempt.mutable_cancel_reason()),
                              .failed = FailedOf(*attempt.mutable_failed())};
  }

  absl::StatusOr<engine::Row> Grant(uint64_t number, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, grant); !status.ok()) return status;
    const int ranges = grant.sessions_size();
    if (grant.sequences_size() != ranges || grant.counts_size() != ranges) {
      return Damaged("its columns are not of one length");
    }
    engine::GrantRow row = {.grant = engine::GrantId{number},
                            .worker_id = std::move(*grant.mutable_worker_id()),
                            .worker_name = std::move(*grant.mutable_worker_name()),
                            .first_token = engine::Token{grant.first_token()},
                            .granted_at_ms = grant.granted_at_ms(),
                            .lease_ms = grant.lease_ms()};
    row.tasks.reserve(static_cast<size_t>(ranges));
    for (int i = 0; i < ranges; ++i) {
      row.tasks.push_back({{grant.sessions(i), grant.sequences(i)}, grant.counts(i)});
    }
    return row;
  }

  absl::StatusOr<engine::Row> Session(uint64_t number, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, session); !status.ok()) return status;
    if (session.accepted_size() % 2 != 0) return Damaged("its ranges are not pairs");
    engine::SessionRow row = {.session = number,
                              .floor = session.floor(),
                              .accepted = {},
                              .secret = {session.secret_high(), session.secret_low()}};
    row.accepted.reserve(static_cast<size_t>(session.accepted_size() / 2));
    for (int i = 0; i < session.accepted_size(); i += 2) {
      row.accepted.emplace_back(session.accepted(i), session.accepted(i + 1));
    }
    return row;
  }

  absl::StatusOr<engine::Row> Reports(uint64_t number, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, reports); !status.ok()) return status;
    const int size = reports.tokens_size();
    if (reports.ends_size() != size) return Damaged("its columns are not of one length");
    engine::ReportsRow row = {.number = number, .reports = {}};
    row.reports.reserve(static_cast<size_t>(size));
    for (int i = 0; i < size; ++i) {
      engine::AcceptedReport& report = row.reports.emplace_back(engine::Token{reports.tokens(i)});
      absl::Status status = ToEnum(reports.ends(i), engine::AttemptEnd::kSucceeded,
                                   engine::AttemptEnd::kReleased, report.end);
      if (!status.ok()) return status;
    }
    return row;
  }

  absl::StatusOr<engine::Row> Clock(std::string_view bytes) {
    if (absl::Status status = Parse(bytes, clock); !status.ok()) return status;
    return engine::ClockRow{{.now_ms = clock.now_ms(),
                             .wall_ms = clock.wall_ms(),
                             .since_boot_ms = clock.since_boot_ms(),
                             .boot_id = clock.boot_id()}};
  }

  absl::StatusOr<engine::Row> Key(const RequestKeyParts& parts, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, key_message); !status.ok()) return status;
    return engine::KeyRow{.queue = std::string(parts.queue),
                          .key = std::string(parts.request_key),
                          .task = {key_message.session(), key_message.sequence()},
                          .digest = {key_message.digest_high(), key_message.digest_low()},
                          .expires_at_ms = key_message.expires_at_ms()};
  }

  absl::StatusOr<engine::Row> DeadLetter(const QueueNumber& parts, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, letter); !status.ok()) return status;
    engine::DeadLetterRow row;
    row.queue = Share(std::string(parts.queue), last_queue);
    row.number = parts.number;
    row.id = {letter.session(), letter.sequence()};
    row.type = Share(std::move(*letter.mutable_type()), last_type);
    row.priority = letter.priority();
    row.attempts = letter.attempts();
    row.max_attempts = letter.max_attempts();
    row.submitted_at_ms = letter.submitted_at_ms();
    row.deadline_at_ms = letter.deadline_at_ms();
    row.finished_at_ms = letter.finished_at_ms();
    row.dead_since_ms = letter.dead_since_ms();
    row.payload_bytes = letter.payload_bytes();
    row.request_key = std::move(*letter.mutable_request_key());
    row.error = ErrorOf(*letter.mutable_error());
    row.failed = FailedOf(*letter.mutable_failed());
    row.group = letter.group();
    row.bytes = letter.bytes();
    return row;
  }

  absl::StatusOr<engine::Row> DeadTask(TaskId id, std::string_view bytes,
                                       std::optional<Body>* body) {
    absl::StatusOr<engine::Row> row = Task(id, bytes, body);
    if (!row.ok()) return row.status();
    auto& dead = std::get<engine::TaskRow>(*row);
    if (!dead.payload_sizes.empty()) return Damaged("it is one task, and a run");
    return engine::DeadTaskRow{std::move(dead), task.letter()};
  }

  absl::StatusOr<engine::Row> LetterGroup(const QueueNumber& parts, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, group); !status.ok()) return status;
    engine::LetterGroupRow row = {
        .queue = Share(std::string(parts.queue), last_queue),
        .fingerprint = parts.number,
        .group = {.type = nullptr,
                  .error_type = std::move(*group.mutable_error_type()),
                  .error_message = std::move(*group.mutable_error_message()),
                  .count = group.count(),
                  .bytes = group.bytes(),
                  .first_at_ms = group.first_at_ms(),
                  .last_at_ms = group.last_at_ms(),
                  .last = {group.last_session(), group.last_sequence()}}};
    if (!group.type().empty()) row.group.type = Share(std::move(*group.mutable_type()), last_type);
    return row;
  }

  absl::StatusOr<engine::Row> LetterMove(TaskId id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, move); !status.ok()) return status;
    return engine::LetterMoveRow{.id = id,
                                 .queue = Share(std::move(*move.mutable_queue()), last_queue),
                                 .letter = move.letter(),
                                 .row = {move.row_session(), move.row_sequence()}};
  }

  absl::StatusOr<engine::Row> Job(uint64_t id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, job); !status.ok()) return status;
    engine::JobRow row;
    row.id = id;
    engine::JobSpec& spec = row.spec;
    absl::Status status = ToEnum(job.action(), engine::JobAction::kRedriveLetters,
                                 engine::JobAction::kCancelTasks, spec.action);
    if (!status.ok()) return status;
    status =
        ToEnum(job.state(), engine::JobState::kRunning, engine::JobState::kCancelled, row.state);
    if (!status.ok()) return status;
    spec.queue = std::move(*job.mutable_queue());
    spec.match.type = std::move(*job.mutable_type());
    if (job.has_group()) spec.match.group = job.group();
    spec.states = job.states();
    spec.filter = std::move(*job.mutable_filter());
    spec.to = {.queue = std::move(*job.mutable_to_queue()), .max_attempts = job.max_attempts()};
    spec.dry_run = job.dry_run();
    spec.tasks_per_second = job.tasks_per_second();
    spec.reason = std::move(*job.mutable_reason());
    row.started_at_ms = job.started_at_ms();
    row.ended_at_ms = job.ended_at_ms();
    row.next = job.next();
    row.end = job.end();
    row.total = job.total();
    row.looked_at = job.looked_at();
    row.done = job.done();
    row.refused = job.refused();
    for (storage::v1::Job::Refusal& one : *job.mutable_refusals()) {
      row.refusals.push_back(
          {{one.session(), one.sequence()}, one.code(), std::move(*one.mutable_message())});
    }
    return row;
  }

  absl::StatusOr<engine::Row> Drain(uint64_t id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, drain); !status.ok()) return status;
    engine::DrainRow row = {.id = id,
                            .match = {std::move(*drain.mutable_worker()), {}},
                            .reason = std::move(*drain.mutable_reason()),
                            .created_at_ms = drain.created_at_ms(),
                            .until_ms = drain.until_ms()};
    for (const storage::v1::Label& label : drain.labels()) {
      row.match.labels[label.key()] = label.value();
    }
    return row;
  }

  absl::StatusOr<engine::Row> Output(TaskId id, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, output); !status.ok()) return status;
    engine::OutputRow row{.task = id, .next = output.next(), .attempts = {}};
    for (const storage::v1::Output::Attempt& one : output.attempts()) {
      row.attempts.push_back({.token = engine::Token{one.token()},
                              .number = one.attempt(),
                              .first = one.first(),
                              .next_index = one.next_index(),
                              .bytes = one.bytes(),
                              .full = one.full()});
    }
    return row;
  }

  absl::StatusOr<engine::Row> Action(uint64_t number, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, action); !status.ok()) return status;
    engine::ActionRow row;
    absl::Status status = ToEnum(action.kind(), engine::ActionKind::kQueueCreated,
                                 engine::ActionKind::kWorkerReleased, row.kind);
    if (!status.ok()) return status;
    row.number = number;
    row.at_ms = action.at_ms();
    row.subject = std::move(*action.mutable_subject());
    row.details = std::move(*action.mutable_details());
    row.reason = std::move(*action.mutable_reason());
    row.actor = {std::move(*action.mutable_actor()), std::move(*action.mutable_peer())};
    return row;
  }

  absl::StatusOr<engine::Row> Expiry(const engine::OutputExpiryKey& key, std::string_view bytes) {
    if (absl::Status status = Parse(bytes, expiry); !status.ok()) return status;
    return engine::OutputExpiryRow{key.at_ms, key.task, expiry.before()};
  }

  absl::StatusOr<engine::Row> OutputPiece(const engine::OutputPieceKey& key,
                                          std::string_view bytes) {
    if (absl::Status status = Parse(bytes, piece); !status.ok()) return status;
    engine::OutputPieceRow row{.task = key.task,
                               .first = key.first,
                               .token = engine::Token{piece.token()},
                               .attempt = piece.attempt(),
                               .entries = {}};
    for (storage::v1::OutputEntry& one : *piece.mutable_entries()) {
      engine::OutputEntry& entry = row.entries.emplace_back();
      absl::Status status =
          ToEnum(one.kind(), engine::OutputKind::kLog, engine::OutputKind::kNotice, entry.kind);
      if (!status.ok()) return status;
      entry.time_ms = one.time_ms();
      entry.data = std::move(*one.mutable_data());
      entry.content_type = std::move(*one.mutable_content_type());
    }
    return row;
  }

  absl::StatusOr<engine::Row> Decode(std::string_view key, std::string_view value,
                                     std::optional<Body>* body) {
    if (!store::HasExpiryPrefix(value)) return Damaged("it is cut short");
    const std::string_view bytes = store::WithoutExpiry(value);
    const std::optional<RowKind> kind = KindOfKey(key);
    if (!kind.has_value()) return Damaged("it is of no known kind");
    switch (*kind) {
      case RowKind::kMeta:
        if (key.size() == 1) return Meta(bytes);
        break;
      case RowKind::kQueue:
        return Queue(key, bytes);
      case RowKind::kTask:
        if (const auto id = TaskOfKey(key)) return Task(*id, bytes, body);
        break;
      case RowKind::kRun:
        if (const auto id = TaskOfKey(key)) return Run(*id, bytes);
        break;
      case RowKind::kAttempt:
        if (const auto id = TaskOfKey(key)) return Attempt(*id, bytes);
        break;
      case RowKind::kGrant:
        if (const auto number = NumberOfKey(key)) return Grant(*number, bytes);
        break;
      case RowKind::kSession:
        if (const auto number = NumberOfKey(key)) return Session(*number, bytes);
        break;
      case RowKind::kFinished:
        if (const auto id = TaskOfKey(key)) {
          const std::optional<int64_t> drop_at_ms = store::ExpiresAtMs(value);
          if (!drop_at_ms.has_value()) return Damaged("it does not say when it expires");
          return Finished(*id, *drop_at_ms, bytes, body);
        }
        break;
      case RowKind::kReports:
        if (const auto number = NumberOfKey(key)) return Reports(*number, bytes);
        break;
      case RowKind::kKey:
        if (const auto parts = RequestKeyOfKey(key)) return Key(*parts, bytes);
        break;
      case RowKind::kClock:
        if (key.size() == 1) return Clock(bytes);
        break;
      case RowKind::kDeadLetter:
        if (const auto parts = QueueNumberOfKey(key)) return DeadLetter(*parts, bytes);
        break;
      case RowKind::kDeadTask:
        if (const auto id = TaskOfKey(key)) return DeadTask(*id, bytes, body);
        break;
      case RowKind::kLetterGroup:
        if (const auto parts = QueueNumberOfKey(key)) return LetterGroup(*parts, bytes);
        break;
      case RowKind::kLetterMove:
        if (const auto id = TaskOfKey(key)) return LetterMove(*id, bytes);
        break;
      case RowKind::kJob:
        if (const auto number = NumberOfKey(key)) return Job(*number, bytes);
        break;
      case RowKind::kDrain:
        if (const auto number = NumberOfKey(key)) return Drain(*number, bytes);
        break;
      case RowKind::kAction:
        if (const auto number = NumberOfKey(key)) return Action(*number, bytes);
        break;
      case RowKind::kOutput:
        if (const auto id = TaskOfKey(key)) return Output(*id, bytes);
        break;
      case RowKind::kOutputPiece:
        if (const auto piece_key = OutputPieceOfKey(key)) return OutputPiece(*piece_key, bytes);
        break;
      case RowKind::kOutputExpiry:
        if (const auto expiry_key = OutputExpiryOfKey(key)) return Expiry(*expiry_key, bytes);
        break;
    }
    return Damaged("its key is malformed");
  }
};

RowDecoder::RowDecoder() : state_(std::make_unique<State>()) {}
RowDecoder::~RowDecoder() = default;

absl::StatusOr<engine::Row> RowDecoder::Decode(std::string_view key, std::string_view value,
                                               std::optional<Body>* body) {
  if (body != nullptr) body->reset();
  absl::StatusOr<engine::Row> row = state_->Decode(key, value, body);
  if (!row.ok()) {
    return absl::DataLossError(absl::StrCat("stored row of ", DescribeKey(key),
                                            " is damaged: ", row.status().message(),
                                            "; restore the data directory from a backup"));
  }
  return row;
}

}  // namespace treadle::broker
