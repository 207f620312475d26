// A test of a handler alone: no broker, no threads.

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "treadle/testing.h"
#include "treadle/treadle.h"

namespace {

using namespace std::chrono_literals;

constexpr treadle::TaskType<std::string(std::string)> kThumbnail{"thumbnail"};

absl::StatusOr<std::string> Thumbnail(treadle::TaskContext& context, const std::string& image) {
  if (image.empty()) return treadle::Permanent(absl::InvalidArgumentError("no image"));
  for (int row = 0; row < 4; ++row) {
    if (context.stop_requested()) return absl::CancelledError("stopped");
    context.ReportProgress(row / 4.0);
  }
  return "small " + image;
}

// [call]
TEST(Thumbnail, InPlace) {
  treadle::Worker worker{treadle::WorkerOptions()};  // never run
  worker.Handle(kThumbnail, Thumbnail);

  EXPECT_EQ(treadle::testing::Call(worker, kThumbnail, "cat").value(), "small cat");

  // As a client's future would say it.
  const absl::Status refused = treadle::testing::Call(worker, kThumbnail, "").status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_TRUE(treadle::GetTaskError(refused)->permanent);

  treadle::testing::CallOptions cancelled;
  cancelled.stop = treadle::StopReason::kCancelled;
  EXPECT_TRUE(
      absl::IsCancelled(treadle::testing::Call(worker, cancelled, kThumbnail, "cat").status()));

  int reports = 0;
  treadle::testing::CallOptions watched;
  watched.on_progress = [&](double, std::string_view) { ++reports; };
  EXPECT_TRUE(treadle::testing::Call(worker, watched, kThumbnail, "cat").ok());
  EXPECT_EQ(reports, 4);
}
// [call]

}  // namespace
