#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <variant>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message_lite.h"
#include "google/protobuf/wire_format_lite.h"

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/row_codec.h"
#include "server/store/expiry.h"
#include "treadle/storage/v1/rows.pb.h"

namespace treadle::broker {
namespace {

using google::protobuf::MessageLite;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

uint32_t BytesTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

size_t BytesFieldSize(int field, size_t bytes) {
  return CodedOutputStream::VarintSize32(BytesTag(field)) + CodedOutputStream::VarintSize64(bytes) +
         bytes;
}

uint8_t* WriteBytesHead(int field, size_t bytes, uint8_t* at) {
  at = CodedOutputStream::WriteVarint32ToArray(BytesTag(field), at);
  return CodedOutputStream::WriteVarint64ToArray(bytes, at);
}

uint8_t* WriteBytes(int field, std::string_view bytes, uint8_t* at) {
  at = WriteBytesHead(field, bytes.size(), at);
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

size_t HeaderSize(const std::pair<std::string, std::string>& header) {
  return BytesFieldSize(storage::v1::Header::kKeyFieldNumber, header.first.size()) +
         BytesFieldSize(storage::v1::Header::kValueFieldNumber, header.second.size());
}

size_t BodySize(const BodyPart& part) {
  const Body& body = *part.body;
  size_t size =
      BytesFieldSize(storage::v1::Body::kBytesFieldNumber, part.bytes) +
      BytesFieldSize(storage::v1::Body::kContentTypeFieldNumber, body.content_type.size());
  for (const auto& header : body.headers) {
    size += BytesFieldSize(storage::v1::Body::kHeadersFieldNumber, HeaderSize(header));
  }
  return size;
}

// A storage::v1::Body, straight from ours: a payload is copied straight into the value.
uint8_t* WriteBody(int field, const BodyPart& part, size_t body_size, uint8_t* at) {
  const Body& body = *part.body;
  at = WriteBytesHead(field, body_size, at);
  at = WriteBytes(storage::v1::Body::kBytesFieldNumber, BytesIn(part), at);
  at = WriteBytes(storage::v1::Body::kContentTypeFieldNumber, body.content_type, at);
  for (const auto& header : body.headers) {
    at = WriteBytesHead(storage::v1::Body::kHeadersFieldNumber, HeaderSize(header), at);
    at = WriteBytes(storage::v1::Header::kKeyFieldNumber, header.first, at);
    at = WriteBytes(storage::v1::Header::kValueFieldNumber, header.second, at);
  }
  return at;
}

// What stands before the row's message.
struct Prefix {
  char bytes[store::kExpiresBytes];
  size_t size = 0;

  static Prefix Stays() {
    Prefix prefix;
    prefix.size = static_cast<size_t>(store::WriteStays(prefix.bytes) - prefix.bytes);
    return prefix;
  }
  static Prefix Expires(int64_t expires_at_ms) {
    Prefix prefix;
    prefix.size =
        static_cast<size_t>(store::WriteExpires(expires_at_ms, prefix.bytes) - prefix.bytes);
    return prefix;
  }
};

// A row on its way into a batch.
struct Target {
  std::string_view key;
  store::WriteBatch& batch;
};

void Put(const Target& target, const Prefix& prefix, const MessageLite& message, int body_field = 0,
         const BodyPart* body = nullptr) {
  const size_t body_size = body == nullptr ? 0 : BodySize(*body);
  const size_t size = prefix.size + message.ByteSizeLong() +
                      (body == nullptr ? 0 : BytesFieldSize(body_field, body_size));
  char* const value = target.batch.Put(target.key, size);
  auto* at = reinterpret_cast<uint8_t*>(std::copy_n(prefix.bytes, prefix.size, value));
  at = message.SerializeWithCachedSizesToArray(at);
  if (body != nullptr) WriteBody(body_field, *body, body_size, at);
}

void Fill(const engine::TaskError& error, storage::v1::Error& to) {
  to.set_type(error.type);
  to.set_message(error.message);
  to.set_worker(error.worker);
  to.set_attempt(error.attempt);
  to.set_permanent(error.permanent);
  to.clear_exit_code();
  to.clear_signal();
  to.clear_retry_after_ms();
  if (error.exit_code) to.set_exit_code(*error.exit_code);
  if (error.signal) to.set_signal(*error.signal);
  if (error.retry_after_ms) to.set_retry_after_ms(*error.retry_after_ms);
}

void Fill(const std::vector<engine::FailedAttempt>& failed,
          google::protobuf::RepeatedPtrField<storage::v1::FailedAttempt>& to) {
  to.Clear();
  for (const engine::FailedAttempt& attempt : failed) {
    storage::v1::FailedAttempt& one = *to.Add();
    Fill(attempt.error, *one.mutable_error());
    one.set_runnable_at_ms(attempt.runnable_at_ms);
    one.set_leased_at_ms(attempt.leased_at_ms);
    one.set_started_at_ms(attempt.started_at_ms);
    one.set_ended_at_ms(attempt.ended_at_ms);
  }
}

void Fill(const engine::RetryPolicy& retry, storage::v1::Retry& to) {
  to.set_initial_delay_ms(retry.initial_delay_ms);
  to.set_multiplier(retry.multiplier);
  to.set_max_delay_ms(retry.max_delay_ms);
  to.set_jitter(retry.jitter);
  for (const std::string& type : retry.no_retry_error_types) to.add_no_retry_error_types(type);
}

}  // namespace

struct RowEncoder::Messages {
  storage::v1::Meta meta;
  storage::v1::Queue queue;
  storage::v1::Task task;
  storage::v1::Run run;
  storage::v1::Attempt attempt;
  storage::v1::Grant grant;
  storage::v1::Finished finished;
  storage::v1::Session session;
  storage::v1::Reports reports;
  storage::v1::Key key;
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

  void Put(const engine::MetaRow& row, const Target& target) {
    meta.set_next_session(row.next_session);
    meta.set_next_token(row.next_token);
    meta.set_next_grant(row.next_grant);
    meta.set_next_order(row.next_order);
    meta.set_next_letter(row.next_letter);
    meta.set_actions(row.actions);
    broker::Put(target, Prefix::Stays(), meta);
  }

  void Put(const engine::QueueRow& row, const Target& target) {
    queue.set_name(row.config.name);
    queue.set_discipline(static_cast<int32_t>(row.config.discipline));
    queue.set_max_tasks(row.config.max_tasks);
    queue.set_max_bytes(row.config.max_bytes);
    queue.set_paused_at_ms(row.pause.since_ms);
    queue.set_paused_until_ms(row.pause.until_ms);
    queue.set_paused_by_breaker(row.pause.by_breaker);
    queue.set_pause_reason(row.pause.reason);
    queue.set_closed(row.closed);
    queue.set_created_at_ms(row.created_at_ms);
    queue.set_letters_max(row.config.dead_letters.max_tasks);
    queue.set_letter_bytes_max(row.config.dead_letters.max_bytes);
    queue.set_letter_ttl_ms(row.config.dead_letters.ttl_ms);
    queue.set_version(row.version);
    const engine::CircuitBreaker& breaker = row.config.breaker;
    const bool has_breaker = breaker.failure_percent > 0;
    queue.set_breaker_failure_percent(breaker.failure_percent);
    queue.set_breaker_min_attempts(has_breaker ? breaker.min_attempts : 0);
    queue.set_breaker_window_ms(has_breaker ? breaker.window_ms : 0);
    queue.set_breaker_resume_after_ms(has_breaker ? breaker.resume_after_ms : 0);
    queue.set_fail_unserved_after_ms(row.config.fail_unserved_after_ms);
    broker::Put(target, Prefix::Stays(), queue);
  }

  void Put(const engine::TaskRow& row, const Target& target, uint64_t dead_letter = 0) {
    const engine::TaskSpec& spec = row.spec;
    task.Clear();
    task.set_letter(dead_letter);
    task.set_queue(spec.queue);
    task.set_type(spec.type);
    task.set_priority(spec.priority);
    task.set_run_at_ms(spec.run_at_ms);
    task.set_deadline_at_ms(spec.deadline_at_ms);
    task.set_attempt_timeout_ms(spec.attempt_timeout_ms);
    task.set_result_ttl_ms(spec.result_ttl_ms);
    task.set_max_attempts(spec.max_attempts);
    task.set_durability(static_cast<int32_t>(spec.durability));
    task.set_payload_bytes(spec.payload_bytes);
    if (spec.retry != nullptr) Fill(*spec.retry, *task.mutable_retry());
    task.set_request_key(spec.request_key);
    task.set_digest_high(spec.digest.high);
    task.set_digest_low(spec.digest.low);
    task.set_order(row.order);
    task.set_submitted_at_ms(row.submitted_at_ms);
    task.set_delay_ms(spec.delay_ms);
    task.set_deadline_in_ms(spec.deadline_in_ms);
    for (const uint32_t bytes : row.payload_sizes) task.add_payload_sizes(bytes);
    broker::Put(target, Prefix::Stays(), task, storage::v1::Task::kBodyFieldNumber,
                row.payload.body == nullptr ? nullptr : &row.payload);
  }

  void Put(const engine::RunRow& row, const Target& target) {
    run.Clear();
    for (const auto& [first, last] : row.finished) {
      run.add_finished(first);
      run.add_finished(last);
    }
    broker::Put(target, Prefix::Stays(), run);
  }

  void Put(const engine::AttemptRow& row, const Target& target) {
    attempt.set_attempts_spent(row.attempts_spent);
    attempt.set_last_token(static_cast<uint64_t>(row.last_token));
    attempt.set_run_at_ms(row.run_at_ms);
    attempt.set_cancel_requested(row.cancel_requested);
    attempt.set_cancel_reason(row.cancel_reason);
    attempt.set_suspect(row.suspect);
    attempt.set_lease_ms(row.lease_ms);
    attempt.set_losses(row.losses);
    attempt.set_returns(row.returns);
    Fill(row.failed, *attempt.mutable_failed());
    broker::Put(target, Prefix::Stays(), attempt);
  }

  void Put(const engine::GrantRow& row, const Target& target) {
    grant.Clear();
    grant.set_worker_id(row.worker_id);
    grant.set_worker_name(row.worker_name);
    grant.set_first_token(static_cast<uint64_t>(row.first_token));
    grant.set_granted_at_ms(row.granted_at_ms);
    grant.set_lease_ms(row.lease_ms);
    for (const engine::TaskRange& range : row.tasks) {
      grant.add_sessions(range.first.session);
      grant.add_sequences(range.first.sequence);
      grant.add_counts(range.count);
    }
    broker::Put(target, Prefix::Stays(), grant);
  }

  void Put(const engine::FinishedRow& row, const Target& target) {
    TREADLE_ASSERT(row.queue != nullptr && row.type != nullptr);
    finished.Clear();
    finished.set_queue(*row.queue);
    finished.set_type(*row.type);
    finished.set_state(static_cast<int32_t>(row.state));
    finished.set_priority(row.priority);
    finished.set_attempts(row.attempts);
    finished.set_max_attempts(row.max_attempts);
    finished.set_submitted_at_ms(row.submitted_at_ms);
    finished.set_deadline_at_ms(row.deadline_at_ms);
    finished.set_finished_at_ms(row.finished_at_ms);
    finished.set_expires_at_ms(row.expires_at_ms);
    finished.set_payload_bytes(row.payload_bytes);
    finished.set_request_key(row.request_key);
    if (row.worker != nullptr) finished.set_worker(*row.worker);
    finished.set_leased_at_ms(row.leased_at_ms);
    finished.set_started_at_ms(row.started_at_ms);
    if (!row.failed.empty()) Fill(row.failed, *finished.mutable_failed());
    if (row.error != engine::TaskError()) Fill(row.error, *finished.mutable_error());
    for (const uint32_t bytes : row.payload_sizes) finished.add_payload_sizes(bytes);
    for (const uint32_t bytes : row.result_sizes) finished.add_result_sizes(bytes);
    broker::Put(target, Prefix::Expires(row.drop_at_ms), finished,
                storage::v1::Finished::kBodyFieldNumber,
                row.body.body == nullptr ? nullptr : &row.body);
  }

  void Put(const engine::SessionRow& row, const Target& target) {
    session.Clear();
    session.set_floor(row.floor);
    for (const auto& [first, last] : row.accepted) {
      session.add_accepted(first);
      session.add_accepted(last);
    }
    session.set_secret_high(row.secret.high);
    session.set_secret_low(row.secret.low);
    broker::Put(target, Prefix::Stays(), session);
  }

  void Put(const engine::ReportsRow& row, const Target& target) {
    reports.Clear();
    for (const engine::AcceptedReport& report : row.reports) {
      reports.add_tokens(static_cast<uint64_t>(report.token));
      reports.add_ends(static_cast<int32_t>(report.end));
    }
    broker::Put(target, Prefix::Stays(), reports);
  }

  void Put(const engine::KeyRow& row, const Target& target) {
    key.set_session(row.task.session);
    key.set_sequence(row.task.sequence);
    key.set_digest_high(row.digest.high);
    key.set_digest_low(row.digest.low);
    key.set_expires_at_ms(row.expires_at_ms);
    broker::Put(target, Prefix::Expires(row.expires_at_ms), key);
  }

  void Put(const engine::ClockRow& row, const Target& target) {
    clock.set_now_ms(row.mark.now_ms);
    clock.set_wall_ms(row.mark.wall_ms);
    clock.set_since_boot_ms(row.mark.since_boot_ms);
    clock.set_boot_id(row.mark.boot_id);
    broker::Put(target, Prefix::Stays(), clock);
  }

  void Put(const engine::DeadLetterRow& row, const Target& target) {
    letter.set_session(row.id.session);
    letter.set_sequence(row.id.sequence);
    letter.set_type(*row.type);
    letter.set_priority(row.priority);
    letter.set_attempts(row.attempts);
    letter.set_max_attempts(row.max_attempts);
    letter.set_submitted_at_ms(row.submitted_at_ms);
    letter.set_deadline_at_ms(row.deadline_at_ms);
    letter.set_finished_at_ms(row.finished_at_ms);
    letter.set_dead_since_ms(row.dead_since_ms);
    letter.set_payload_bytes(row.payload_bytes);
    letter.set_request_key(row.request_key);
    Fill(row.error, *letter.mutable_error());
    Fill(row.failed, *letter.mutable_failed());
    letter.set_group(row.group);
    letter.set_bytes(row.bytes);
    broker::Put(target, Prefix::Stays(), letter);
  }

  void Put(const engine::DeadTaskRow& row, const Target& target) {
    Put(row.task, target, row.letter);
  }

  void Put(const engine::LetterGroupRow& row, const Target& target) {
    group.Clear();
    if (row.group.type != nullptr) group.set_type(*row.group.type);
    group.set_error_type(row.group.error_type);
    group.set_error_message(row.group.error_message);
    group.set_count(row.group.count);
    group.set_bytes(row.group.bytes);
    group.set_first_at_ms(row.group.first_at_ms);
    group.set_last_at_ms(row.group.last_at_ms);
    group.set_last_session(row.group.last.session);
    group.set_last_sequence(row.group.last.sequence);
    broker::Put(target, Prefix::Stays(), group);
  }

  void Put(const engine::LetterMoveRow& row, const Target& target) {
    move.set_queue(*row.queue);
    move.set_letter(row.letter);
    move.set_row_session(row.row.session);
    move.set_row_sequence(row.row.sequence);
    broker::Put(target, Prefix::Stays(), move);
  }

  void Put(const engine::JobRow& row, const Target& target) {
    job.Clear();
    const engine::JobSpec& spec = row.spec;
    job.set_action(static_cast<int32_t>(spec.action));
    job.set_queue(spec.queue);
    job.set_type(spec.match.type);
    if (spec.match.group.has_value()) job.set_group(*spec.match.group);
    job.set_states(spec.states);
    job.set_filter(spec.filter);
    job.set_to_queue(spec.to.queue);
    job.set_max_attempts(spec.to.max_attempts);
    job.set_dry_run(spec.dry_run);
    job.set_tasks_per_second(spec.tasks_per_second);
    job.set_reason(spec.reason);
    job.set_state(static_cast<int32_t>(row.state));
    job.set_started_at_ms(row.started_at_ms);
    job.set_ended_at_ms(row.ended_at_ms);
    job.set_next(row.next);
    job.set_end(row.end);
    job.set_total(row.total);
    job.set_looked_at(row.looked_at);
    job.set_done(row.done);
    job.set_refused(row.refused);
    for (const engine::JobRefusal& refusal : row.refusals) {
      storage::v1::Job::Refusal& one = *job.add_refusals();
      one.set_session(refusal.task.session);
      one.set_sequence(refusal.task.sequence);
      one.set_code(refusal.code);
      one.set_message(refusal.message);
    }
    broker::Put(target, Prefix::Stays(), job);
  }

  void Put(const engine::DrainRow& row, const Target& target) {
    drain.Clear();
    drain.set_worker(row.match.worker);
    for (const auto& [name, value] : row.match.labels) {
      storage::v1::Label& label = *drain.add_labels();
      label.set_key(name);
      label.set_value(value);
    }
    drain.set_reason(row.reason);
    drain.set_created_at_ms(row.created_at_ms);
    drain.set_until_ms(row.until_ms);
    broker::Put(target, Prefix::Stays(), drain);
  }

  void Put(const engine::ActionRow& row, const Target& target) {
    action.set_at_ms(row.at_ms);
    action.set_kind(static_cast<int32_t>(row.kind));
    action.set_subject(row.subject);
    action.set_details(row.details);
    action.set_reason(row.reason);
    action.set_actor(row.actor.name);
    action.set_peer(row.actor.peer);
    broker::Put(target, Prefix::Stays(), action);
  }

  void Put(const engine::OutputRow& row, const Target& target) {
    output.Clear();
    output.set_next(row.next);
    for (const engine::OutputRow::Attempt& said : row.attempts) {
      storage::v1::Output::Attempt& one = *output.add_attempts();
      one.set_token(static_cast<uint64_t>(said.token));
      one.set_attempt(said.number);
      one.set_first(said.first);
      one.set_next_index(said.next_index);
      one.set_bytes(said.bytes);
      one.set_full(said.full);
    }
    broker::Put(target, Prefix::Stays(), output);
  }

  void Put(const engine::OutputPieceRow& row, const Target& target) {
    piece.Clear();
    piece.set_token(static_cast<uint64_t>(row.token));
    piece.set_attempt(row.attempt);
    for (const engine::OutputEntry& entry : row.entries) {
      storage::v1::OutputEntry& one = *piece.add_entries();
      one.set_kind(static_cast<int32_t>(entry.kind));
      one.set_time_ms(entry.time_ms);
      one.set_data(entry.data);
      one.set_content_type(entry.content_type);
    }
    broker::Put(target, Prefix::Stays(), piece);
  }

  void Put(const engine::OutputExpiryRow& row, const Target& target) {
    expiry.set_before(row.before);
    broker::Put(target, Prefix::Stays(), expiry);
  }
};

RowEncoder::RowEncoder() : messages_(std::make_unique<Messages>()) {}
RowEncoder::~RowEncoder() = default;

void RowEncoder::Encode(const engine::RowChange& change, store::WriteBatch& batch) {
  if (const auto* key = std::get_if<engine::RowKey>(&change)) {
    WriteKeyOf(*key, key_);
    // A task's row is put once, when it is accepted, and once more if its run is compacted, which
    // deletes it: its id is never used again. A piece of output is put once.
    const bool put_once = std::holds_alternative<engine::TaskKey>(*key) ||
                          std::holds_alternative<engine::OutputPieceKey>(*key);
    return put_once ? batch.DeleteOnce(key_) : batch.Delete(key_);
  }
  const auto& row = std::get<engine::Row>(change);
  WriteKeyOf(row, key_);
  std::visit([&](const auto& kind) { messages_->Put(kind, Target{key_, batch}); }, row);
  if (const auto* finished = std::get_if<engine::FinishedRow>(&row);
      finished != nullptr && !finished->task_row_stays) {
    WriteKeyOf(engine::TaskKey{finished->id}, key_);
    batch.DeleteOnce(key_);
  }
}

}  // namespace treadle::broker
