#pragma once

#include <cstdint>

// Every bound and default that both ends, or several parts of one, must agree on. The proto
// files state them for users; what an operator can change has its flag in server/main.cc, named
// beside its default here.

namespace treadle::limits {

inline constexpr int64_t kSecondMs = 1'000;
inline constexpr int64_t kMinuteMs = 60 * kSecondMs;
inline constexpr int64_t kHourMs = 60 * kMinuteMs;
inline constexpr int64_t kDayMs = 24 * kHourMs;
inline constexpr int64_t kKiB = int64_t{1} << 10;
inline constexpr int64_t kMiB = int64_t{1} << 20;
inline constexpr int64_t kGiB = int64_t{1} << 30;

// Where a broker listens, and where clients and workers look for it, unless told.
inline constexpr char kDefaultAddress[] = "127.0.0.1:7733";
// Its HTTP port (--http-listen, --http-connections).
inline constexpr char kDefaultHttpAddress[] = "127.0.0.1:7734";
inline constexpr int64_t kHttpConnectionsMax = 64;

// Text.
inline constexpr int64_t kNameBytesMax = 255;  // queue, type, worker and client names, keys
inline constexpr int64_t kWorkerIdBytesMax = 64;
inline constexpr int64_t kResumeSecretBytes = 16;
inline constexpr int64_t kHeadersMax = 64;
inline constexpr int64_t kHeadersBytesMax = 16 * kKiB;
inline constexpr int64_t kContentTypeBytesMax = 255;
inline constexpr int64_t kErrorTypeBytesMax = 255;
inline constexpr int64_t kErrorMessageBytesMax = 64 * kKiB;  // longer text is cut in the middle
inline constexpr int64_t kProgressMessageBytesMax = kKiB;

// Output of tasks (--task-output-max).
inline constexpr int64_t kTaskOutputBytes = 16 * kMiB;
inline constexpr int64_t kTaskOutputBytesMin = 64 * kKiB;
inline constexpr int64_t kTaskOutputBytesMax = kGiB;
inline constexpr int64_t kOutputEntryBytesMax = kMiB;
inline constexpr int64_t kOutputEntriesMax = 4'096;  // of one message
inline constexpr int64_t kOutputReportsMax = 1'024;  // of one message
inline constexpr int64_t kOutputIndexMax = int64_t{1} << 48;
inline constexpr int64_t kOutputPageBytes = 256 * kKiB;
inline constexpr int64_t kOutputPageBytesMax = kMiB;

// Tasks.
inline constexpr int64_t kAheadMsMax = 366 * kDayMs;  // run_at, delay, deadline, pauses, ttls
inline constexpr int64_t kResultTtlMs = kHourMs;
inline constexpr int32_t kAttempts = 3;
inline constexpr int32_t kAttemptsMax = 1'000'000;
inline constexpr int64_t kRetryDelayMsMax = 7 * kDayMs;
inline constexpr int64_t kRetryInitialDelayMs = kSecondMs;
inline constexpr int64_t kRetryMaxDelayMs = kMinuteMs;
inline constexpr double kRetryMultiplier = 2;
inline constexpr double kRetryMultiplierMax = 100;
inline constexpr double kRetryJitter = 0.1;
inline constexpr int64_t kNoRetryTypesMax = 32;
inline constexpr int64_t kAttemptTimeoutMsMax = 366 * kDayMs;
inline constexpr int64_t kWaitIfFullMsMax = kDayMs;

// Payloads (--payload-max), and messages, which carry at least one payload each. A client of gRPC
// takes messages of 4 MiB unless it is told otherwise: with the default bound every lease and every
// outcome fits, with all that may come beside the payload.
inline constexpr int64_t kDefaultMessageBytes = 4 * kMiB;
inline constexpr int64_t kPayloadBytesMax = kDefaultMessageBytes - 64 * kKiB;
inline constexpr int64_t kPayloadBytesMaxCeiling = 256 * kMiB;
inline constexpr int32_t kBatchTasksMax = 10'000;  // items of one message

// Queues (--queue-max-tasks, --queue-max-bytes, for those created without a bound of their own).
inline constexpr int64_t kQueueTasks = 1'000'000;
inline constexpr int64_t kQueueTasksMax = 100'000'000;
inline constexpr int64_t kQueueBytes = 4 * kGiB;
inline constexpr int64_t kQueueBytesMax = int64_t{1} << 50;
// What a queue keeps of tasks that fail in it (--dead-letters-max, --dead-letter-bytes-max,
// --dead-letter-ttl, for queues created without a policy of their own).
inline constexpr int64_t kDeadLetters = 100'000;
inline constexpr int64_t kDeadLettersMax = 100'000'000;
inline constexpr int64_t kDeadLetterBytes = kGiB;
inline constexpr int64_t kDeadLetterTtlMs = 14 * kDayMs;
inline constexpr int32_t kBreakerAttempts = 20;
inline constexpr int32_t kBreakerAttemptsMax = 1'000'000;
inline constexpr int64_t kBreakerWindowMs = 60'000;
inline constexpr int64_t kBreakerWindowMsMin = 1'000;
inline constexpr int64_t kBreakerWindowMsMax = kDayMs;
// Or never: 0.
inline constexpr int64_t kFailUnservedAfterMsMin = kSecondMs;

// Jobs.
inline constexpr int64_t kJobsRunningMax = 100;
inline constexpr int64_t kJobsKeptMax = 1'000;
inline constexpr int32_t kJobTasksPerSecondMax = 1'000'000;

// Drains of workers, and the log of what operators did.
inline constexpr int64_t kDrainsMax = 1'000;
inline constexpr int64_t kActionsKept = 10'000;
inline constexpr int64_t kActionDetailsBytesMax = kKiB;

// Workers.
inline constexpr int64_t kLabelsMax = 16;  // of one worker
inline constexpr int64_t kLabelKeyBytesMax = 63;
inline constexpr int64_t kWorkerQueuesMax = 256;
inline constexpr int64_t kWorkerPoolsMax = 16;
inline constexpr int64_t kPoolTypesMax = 1'024;
inline constexpr int64_t kHelloNamesBytesMax = kMiB;  // of one worker's queues and types together
inline constexpr int64_t kHeldMax = 50'000;           // leases that a worker says that it holds
inline constexpr int64_t kHandlersMax = 1'024;        // of one worker, told about
inline constexpr int32_t kCreditMax = 100'000;        // unused, of one pool
inline constexpr int32_t kLeaseTasksMax = 1'000;
inline constexpr int64_t kLeaseMs = 30 * kSecondMs;  // of a unary lease
inline constexpr int64_t kLeaseMsMin = kSecondMs;
inline constexpr int64_t kLeaseMsMax = 12 * kHourMs;
inline constexpr int64_t kWorkerLeaseMs = 15 * kSecondMs;  // of an attached worker (--lease-time)

// Calls.
inline constexpr int64_t kWaitMsMax = kHourMs;  // AwaitTask, Lease
inline constexpr int32_t kTasksPageSize = 100;
inline constexpr int32_t kPageSizeMax = 1'000;
inline constexpr int64_t kConnectionsMax = 10'000;   // --connections-max
inline constexpr int32_t kStreamsPerClientMax = 64;  // of one client process (--streams-per-client)
// Open at once, of all kinds; each takes some 20 KiB in gRPC (--calls-per-client, --calls-max).
inline constexpr int64_t kCallsPerClientMax = 2'000;
inline constexpr int64_t kCallsMax = 20'000;
inline constexpr int64_t kFirstMessageMs = 10 * kSecondMs;  // a call's first message must arrive
inline constexpr int64_t kOutgoingBytesMax = 64 * kMiB;     // waiting for one stream's reader
inline constexpr int64_t kOutgoingBytesSumMax = kGiB;       // for all readers (--outgoing-max)
inline constexpr int64_t kIncomingBytesMax = kGiB;          // --incoming-max
inline constexpr int64_t kOutgoingMessageBytes = kMiB;      // unless one item alone is larger

// Promises that last.
inline constexpr int64_t kRequestKeyWindowMs = kDayMs;      // --request-key-window
inline constexpr int64_t kResumeWindowMs = 10 * kMinuteMs;  // --resume-window

}  // namespace treadle::limits
