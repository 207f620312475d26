#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "client/cli/top/snapshot.h"

#include "proto/support/limits.h"

// Snapshots of a broker as `treadle top` takes them, for tests.

namespace treadle::cli::top {

// So long ago, by this machine's clock: ages in days do not change while a test runs.
inline int64_t AgoMs(int64_t ms) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - ms;
}
inline constexpr int64_t kThreeDaysMs = 3 * limits::kDayMs + 4 * limits::kHourMs + 1'800'000;

inline v1::Queue MakeQueue(const std::string& name, int64_t queued, int64_t running = 0) {
  v1::Queue queue;
  queue.mutable_config()->set_name(name);
  queue.mutable_config()->set_discipline(v1::DISCIPLINE_FIFO);
  queue.mutable_config()->set_max_tasks(1'000'000);
  queue.mutable_config()->set_max_bytes(int64_t{4} << 30);
  v1::DeadLetterPolicy& kept = *queue.mutable_config()->mutable_dead_letters();
  kept.set_max_tasks(100'000);
  kept.set_max_bytes(int64_t{1} << 30);
  queue.mutable_stats()->set_queued(queued);
  queue.mutable_stats()->set_running(running);
  if (queued > 0) queue.mutable_stats()->set_oldest_age_ms(185'000);
  return queue;
}

inline v1::Worker MakeWorker(const std::string& name, const std::string& queue, int slots,
                             int running = 0) {
  v1::Worker worker;
  worker.set_worker_id("id-" + name);
  worker.set_name(name);
  worker.set_connected(true);
  worker.add_queues(queue);
  v1::WorkerPoolStats& pool = *worker.add_pools();
  pool.set_name("threads");
  pool.set_slots(slots);
  pool.set_running(running);
  pool.add_types("resize");
  return worker;
}

inline Snapshot Quiet() {
  Snapshot snapshot;
  snapshot.server.set_version("1.2.3");
  snapshot.server.set_started_at_ms(1'000);
  snapshot.server.set_now_ms(1'000 + kThreeDaysMs);
  snapshot.server.set_store("rocksdb");
  snapshot.server.set_sessions(12);
  return snapshot;
}

// Some of everything: a queue that nobody serves, one that is paused, one without room, names that
// are long and wide, numbers that are huge, a worker that is away and one that drains.
inline Snapshot Busy() {
  Snapshot snapshot = Quiet();
  v1::Queue images = MakeQueue("images", 1'204, 16);
  images.mutable_stats()->set_scheduled(12);
  images.mutable_stats()->set_submitted_per_second(312);
  images.mutable_stats()->set_finished_per_second(298);
  images.mutable_stats()->set_succeeded_total(123'456'789);
  images.mutable_stats()->set_failed_total(1'234);
  images.mutable_stats()->set_dead_letters(1'230);
  images.mutable_stats()->set_dead_letter_bytes(5 << 20);
  images.mutable_stats()->set_waiting_bytes(96 << 20);
  v1::Queue mail = MakeQueue("mail", 42);
  v1::Queue huge = MakeQueue("logs", 1'000'000, 4'000);
  huge.mutable_stats()->set_oldest_age_ms(kThreeDaysMs);
  huge.mutable_stats()->set_waiting_submitters(3);
  huge.mutable_stats()->set_submitted_per_second(98'765);
  huge.mutable_stats()->set_finished_per_second(101'000);
  v1::Queue paused = MakeQueue("発送のキュー・東京第一倉庫", 7);
  paused.set_paused(true);
  paused.set_paused_at_ms(AgoMs(kThreeDaysMs));
  paused.mutable_config()->set_discipline(v1::DISCIPLINE_PRIORITY);
  v1::Queue long_name = MakeQueue("tenant-4711.eu-west-1.billing.invoices.render-and-send", 0);
  long_name.set_closed(true);
  for (v1::Queue* queue : {&images, &huge, &mail, &long_name, &paused}) {
    snapshot.queues.push_back(std::move(*queue));
  }
  snapshot.workers.push_back(MakeWorker("resizer-1:4711", "images", 16, 16));
  v1::Worker draining = MakeWorker("resizer-2:815", "images", 16);
  draining.set_draining(true);
  snapshot.workers.push_back(draining);
  v1::Worker away = MakeWorker("shipper-tokyo-12.example.com:1", "logs", 4'096, 4'000);
  away.set_connected(false);
  snapshot.workers.push_back(away);
  snapshot.server.set_queues(5);
  snapshot.server.set_workers(3);
  return snapshot;
}

// With what is asked for when the queue "images" is open.
inline Snapshot WithImagesOpen() {
  Snapshot snapshot = Busy();
  snapshot.detail.queue = "images";
  for (const char* id : {"cnsef1k6a7-1k9", "cnsef1k6a7-1ka"}) {
    v1::ExplainTaskResponse& explained = snapshot.oldest.emplace_back();
    explained.mutable_task()->set_task_id(id);
    explained.mutable_task()->set_type("resize");
    explained.mutable_task()->set_state(v1::TASK_STATE_QUEUED);
    explained.mutable_task()->set_submitted_at_ms(AgoMs(kThreeDaysMs));
    explained.add_reasons()->set_text(
        "all 16 slots that run its type are busy, and 1,203 others of its line come first");
  }
  v1::DeadLetterGroup& group = snapshot.groups.emplace_back();
  group.set_queue("images");
  group.set_group("3f0a51c2d4e6b780");
  group.set_type("resize");
  group.set_error_type("ValueError");
  group.set_error_message("cannot read image file '/data/upload-1234567.heic': unknown format");
  group.set_count(1'200);
  group.set_last_at_ms(AgoMs(kThreeDaysMs));
  group.set_first_at_ms(AgoMs(2 * kThreeDaysMs));
  return snapshot;
}

inline std::shared_ptr<const Snapshot> Shared(Snapshot snapshot) {
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

}  // namespace treadle::cli::top
