#include "treadle/task_error.h"

#include <sstream>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle {
namespace {

TaskError Failed(std::string type) {
  TaskError error;
  error.task_id = "3f-1k9";
  error.type = std::move(type);
  error.message = "no thread left";
  error.worker = "loom:12";
  error.attempt = 3;
  error.attempts = 3;
  error.permanent = true;
  return error;
}

TEST(TaskError, SurvivesTheStatusWhole) {
  const absl::Status status = ToStatus(Failed("std::runtime_error"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(std::string(status.message()),
            "std::runtime_error: no thread left (task 3f-1k9, attempt 3, worker loom:12)");
  const std::optional<TaskError> error = GetTaskError(status);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->task_id, "3f-1k9");
  EXPECT_EQ(error->end, TaskEnd::kFailed);
  EXPECT_EQ(error->type, "std::runtime_error");
  EXPECT_EQ(error->message, "no thread left");
  EXPECT_EQ(error->worker, "loom:12");
  EXPECT_EQ(error->attempt, 3);
  EXPECT_EQ(error->attempts, 3);
  EXPECT_TRUE(error->permanent);
}

TEST(TaskError, WhatAProgramCanReadSurvivesToo) {
  const TaskError none = *GetTaskError(ToStatus(Failed("X")));
  EXPECT_FALSE(none.exit_code || none.signal || none.retry_after_ms);
  EXPECT_EQ(none.details, "");
  TaskError error = Failed("ExitStatus");
  error.exit_code = 3;
  error.signal = 0;
  error.retry_after_ms = 60'000;
  error.details = std::string("a \0\xff%=", 7);
  error.details_type = "text/plain; of = two";
  const TaskError read = *GetTaskError(ToStatus(error));
  EXPECT_EQ(read.exit_code, 3);
  EXPECT_EQ(read.signal, 0);
  EXPECT_EQ(read.retry_after_ms, 60'000);
  EXPECT_EQ(read.details, error.details);
  EXPECT_EQ(read.details_type, error.details_type);
}

TEST(TaskError, AStatusIsPrintedAsText) {
  TaskError error = Failed("wärp 'n %=\n\\");
  const absl::Status status = ToStatus(error);
  std::ostringstream printed;
  printed << ToStatus(Failed("ValueError"));
  EXPECT_EQ(printed.str(),
            "UNKNOWN: ValueError: no thread left (task 3f-1k9, attempt 3, worker loom:12) "
            "[treadle/task_error='state=FAILED attempt=3 attempts=3 permanent=1 type=ValueError "
            "task=3f-1k9 worker=loom:12']");
  EXPECT_EQ(GetTaskError(status)->type, error.type);
  EXPECT_EQ(GetTaskError(status)->message, error.message);
}

TEST(TaskError, TheMessageIsFoundWhateverItIs) {
  for (const char* message :
       {"", ": ", "X: (task 3f-1k9", " (task 3f-1k9, attempt 3, worker loom:12)", "two\nlines",
        "w\xc3\xa4rp"}) {
    for (const char* task : {"", "3f-1k9"}) {
      TaskError error = Failed("X");
      error.message = message;
      error.task_id = task;
      const absl::Status status = ToStatus(error);
      EXPECT_EQ(GetTaskError(status)->message, message) << status;
      absl::Status annotated(status.code(), absl::StrCat("page 7: ", status.message()));
      status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
        annotated.SetPayload(type, payload);
      });
      if (*message != '\0') {
        EXPECT_EQ(GetTaskError(annotated)->message, message) << annotated;
      }
    }
  }
}

TEST(TaskError, MapsOnCodes) {
  const auto code = [](const TaskError& error) { return ToStatus(error).code(); };
  EXPECT_EQ(code(Failed("AttemptTimeout")), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(code(Failed("WorkerLost")), absl::StatusCode::kAborted);
  EXPECT_EQ(code(Failed("HandlerNotFound")), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code(Failed("ExitStatus")), absl::StatusCode::kUnknown);
  TaskError ended = Failed("Cancelled");
  ended.end = TaskEnd::kCancelled;
  EXPECT_EQ(code(ended), absl::StatusCode::kCancelled);
  ended.end = TaskEnd::kExpired;
  EXPECT_EQ(code(ended), absl::StatusCode::kDeadlineExceeded);
}

TEST(TaskError, AHandlersStatusKeepsItsCode) {
  for (int code = 1; code <= 16; ++code) {
    const auto expected = static_cast<absl::StatusCode>(code);
    EXPECT_EQ(ToStatus(Failed(ErrorType(expected))).code(), expected);
  }
}

TEST(TaskError, OtherStatusesHaveNone) {
  EXPECT_FALSE(GetTaskError(absl::OkStatus()).has_value());
  EXPECT_FALSE(GetTaskError(absl::NotFoundError("no such task")).has_value());
}

}  // namespace
}  // namespace treadle
