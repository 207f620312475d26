#include <cstring>
#include <utility>

#include "proto/support/limits.h"
#include "proto/support/random_bits.h"
#include "proto/support/utf8.h"
#include "server/rpc/convert.h"

// From messages to the engine's values.

namespace treadle::rpc {
namespace {

// Null: there is nothing in it.
broker::BodyPtr BodyOf(std::string bytes, std::string content_type) {
  if (bytes.empty() && content_type.empty()) return nullptr;
  auto body = std::make_shared<broker::Body>();
  body->bytes = std::move(bytes);
  body->content_type = std::move(content_type);
  return body;
}

engine::TaskError ReadError(v1::TaskError& error) {
  engine::TaskError read;
  read.type = std::move(*error.mutable_type());
  read.message = error.message().size() > limits::kErrorMessageBytesMax
                     ? CutMiddle(error.message(), limits::kErrorMessageBytesMax)
                     : std::move(*error.mutable_message());
  read.permanent = error.permanent();
  if (error.has_exit_code()) read.exit_code = error.exit_code();
  if (error.has_signal()) read.signal = error.signal();
  if (error.has_retry_after_ms()) read.retry_after_ms = error.retry_after_ms();
  return read;
}

}  // namespace

std::vector<std::string> ReadNames(google::protobuf::RepeatedPtrField<std::string>& names) {
  std::vector<std::string> read;
  read.reserve(names.size());
  for (std::string& name : names) read.push_back(std::move(name));
  return read;
}

engine::QueueConfig ReadQueue(v1::QueueConfig& config, const engine::EngineOptions& options) {
  engine::QueueConfig read;
  read.name = std::move(*config.mutable_name());
  read.discipline = config.discipline() == v1::DISCIPLINE_UNSPECIFIED
                        ? engine::Discipline::kFifo
                        : static_cast<engine::Discipline>(config.discipline());
  read.max_tasks = OrDefault(config.max_tasks(), options.queue_max_tasks);
  read.max_bytes = OrDefault(config.max_bytes(), options.queue_max_bytes);
  read.dead_letters = options.dead_letters;
  Read(config.dead_letters(), read.dead_letters);
  if (config.has_circuit_breaker()) read.breaker = ReadBreaker(config.circuit_breaker());
  read.fail_unserved_after_ms = config.fail_unserved_after_ms();
  return read;
}

engine::CircuitBreaker ReadBreaker(const v1::CircuitBreaker& breaker) {
  engine::CircuitBreaker read;
  if (breaker.failure_percent() == 0) return read;
  read.failure_percent = breaker.failure_percent();
  read.min_attempts = OrDefault(breaker.min_attempts(), read.min_attempts);
  read.window_ms = OrDefault(breaker.window_ms(), read.window_ms);
  read.resume_after_ms = breaker.resume_after_ms();
  return read;
}

void Read(const v1::DeadLetterPolicy& policy, engine::DeadLetterPolicy& read) {
  if (policy.has_max_tasks()) read.max_tasks = policy.max_tasks();
  if (policy.has_max_bytes()) read.max_bytes = policy.max_bytes();
  if (policy.has_ttl_ms()) read.ttl_ms = policy.ttl_ms();
}

engine::AttachWorker ReadHello(v1::WorkerHello& hello) {
  engine::AttachWorker read;
  read.worker_id = std::move(*hello.mutable_worker_id());
  read.worker_name = std::move(*hello.mutable_worker_name());
  read.queues = ReadNames(*hello.mutable_queues());
  for (v1::WorkerPool& pool : *hello.mutable_pools()) {
    read.pools.push_back(engine::PoolSpec{.name = std::move(*pool.mutable_name()),
                                          .slots = pool.slots(),
                                          .types = ReadNames(*pool.mutable_types())});
  }
  read.held_tokens.reserve(static_cast<size_t>(hello.held_tokens_size()));
  for (const uint64_t token : hello.held_tokens()) {
    read.held_tokens.push_back(engine::Token{token});
  }
  read.labels = {hello.labels().begin(), hello.labels().end()};
  return read;
}

engine::EndAttempt ReadReport(v1::AttemptReport& report, broker::BodyPtr& body) {
  engine::EndAttempt end;
  end.token = engine::Token{report.token()};
  end.end = static_cast<engine::AttemptEnd>(report.end());
  body = nullptr;
  if (end.end == engine::AttemptEnd::kSucceeded) {
    body = BodyOf(std::move(*report.mutable_result()), std::move(*report.mutable_content_type()));
  } else if (report.has_error()) {
    v1::TaskError& error = *report.mutable_error();
    if (end.end == engine::AttemptEnd::kFailed) {
      body = BodyOf(std::move(*error.mutable_details()), std::move(*error.mutable_details_type()));
    }
    end.error = ReadError(error);
  }
  return end;
}

broker::BodyPtr ReadResult(std::string bytes, const std::string& content_type) {
  return BodyOf(std::move(bytes), content_type);
}

broker::ProgressState ReadProgress(v1::Progress& progress) {
  return {.fraction = progress.fraction() < 0 ? -1 : progress.fraction(),
          .message = progress.message().size() > limits::kProgressMessageBytesMax
                         ? CutMiddle(progress.message(), limits::kProgressMessageBytesMax)
                         : std::move(*progress.mutable_message())};
}

std::vector<engine::OutputEntry> ReadEntries(
    google::protobuf::RepeatedPtrField<v1::OutputEntry>& entries) {
  std::vector<engine::OutputEntry> read;
  read.reserve(static_cast<size_t>(entries.size()));
  for (v1::OutputEntry& entry : entries) {
    read.push_back({static_cast<engine::OutputKind>(entry.kind()), entry.time_ms(),
                    std::move(*entry.mutable_data()), std::move(*entry.mutable_content_type())});
  }
  return read;
}

engine::ResumeSecret NewSecret() { return {RandomBits() | 1, RandomBits()}; }

engine::ResumeSecret ReadSecret(const std::string& bytes) {
  engine::ResumeSecret secret;
  if (bytes.size() != limits::kResumeSecretBytes) return secret;
  std::memcpy(&secret.high, bytes.data(), sizeof(secret.high));
  std::memcpy(&secret.low, bytes.data() + sizeof(secret.high), sizeof(secret.low));
  return secret;
}

}  // namespace treadle::rpc
