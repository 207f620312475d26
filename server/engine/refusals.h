#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

#include "server/engine/queue.h"
#include "server/engine/types.h"

// Every sentence with which the engine says no: what is wrong, and the way out.

namespace treadle::engine::refusal {

// Queues.
absl::Status NoSuchQueue(std::string_view name);
absl::Status NoSuchQueueToSubmit(std::string_view name);
absl::Status QueueExistsOtherwise(const QueueConfig& existing);
absl::Status TooManyQueues(int64_t queues_max);
absl::Status TooLargeAShare(std::string_view what, std::string_view flag, int64_t max);
absl::Status TooManyNames(int64_t takers_bytes_max);
absl::Status BoundNotPositive(std::string_view field);
absl::Status BoundNegative(std::string_view field);
absl::Status QueueInUse(const Queue& queue);
absl::Status QueueHasChanged(const Queue& queue, int64_t version);

// Dead letters.
absl::Status NoDeadLetter(TaskId task);
absl::Status PayloadLost(TaskId task);

// Jobs.
absl::Status NoSuchJob(uint64_t job);
absl::Status TooManyJobs(int64_t jobs_running_max);

// Submits.
absl::Status PriorityNotAllowed(const QueueConfig& config);
absl::Status LargerThanQueue(const QueueConfig& config, uint64_t payload_bytes);
absl::Status TooManyTasks(int64_t unfinished_tasks_max);
absl::Status TooManyTypes(const Queue& queue, int64_t types_per_queue_max);
absl::Status QueueClosed(const Queue& queue);
absl::Status QueueFull(const Queue& queue, uint64_t payload_bytes);
absl::Status WaitedInVain(const Queue& queue, uint64_t payload_bytes, int64_t waited_ms);
absl::Status TooManyWaiters(const Queue& queue);
absl::Status KeyUsed(std::string_view queue, std::string_view key, TaskId task);
absl::Status NoLongerWaiting(std::string_view why);
absl::Status NotInSession(TaskId task);
absl::Status BelowFloor(uint64_t sequence, uint64_t floor);
absl::Status SequenceTooFar(uint64_t sequence, uint64_t newest, int64_t gap_max);
absl::Status TooManyRanges(int64_t ranges_max);

// Sessions.
absl::Status NoSuchSession(uint64_t session);
absl::Status TooManySessions(int64_t sessions_max);
absl::Status SessionTakenOver(uint64_t session);
absl::Status AlreadyOpened();
absl::Status AcknowledgedTooFar(uint64_t below, uint64_t newest);

// Workers and polls.
absl::Status TooManyWorkers(int64_t workers_max);
absl::Status TooManyPolls(int64_t polls_max);
absl::Status WorkerTakenOver(std::string_view worker_id);
absl::Status NoSuchDrain(uint64_t drain);
absl::Status TooManyDrains();
absl::Status NoSuchWorker(std::string_view worker);
absl::Status NotInQuarantine(std::string_view worker);
absl::Status WorkerSilent(int64_t lease_ms);
absl::Status NoSuchPool(int32_t pool, size_t pools);
absl::Status BadCredit(int32_t tasks, int32_t credit_max);
absl::Status TooMuchCredit(int32_t pool, int64_t unused, int32_t credit_max);

// Cancels, reports and extensions.
absl::Status NotUnfinished(TaskId task);
absl::Status NeverGiven(Token token);
absl::Status LeaseOver(Token token);
absl::Status HeldByAnother(Token token);
absl::Status NotExtendable(Token token);

}  // namespace treadle::engine::refusal
