#include <future>
#include <string>
#include <vector>

#include "tests/rpc/fixture.h"
#include "tests/rpc/stream.h"
#include "treadle/v1/output.pb.h"

namespace treadle::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Output : public RpcTest {
 protected:
  static v1::OutputEntry Line(const std::string& text) {
    v1::OutputEntry entry;
    entry.set_kind(v1::OUTPUT_KIND_LOG);
    entry.set_time_ms(5);
    entry.set_data(text);
    return entry;
  }
  grpc::Status Append(uint64_t token, const std::vector<std::string>& lines,
                      std::optional<uint64_t> first_index = std::nullopt,
                      uint64_t* next_index = nullptr) {
    Context context;
    v1::AppendOutputRequest request;
    request.set_token(token);
    if (first_index.has_value()) request.set_first_index(*first_index);
    for (const std::string& line : lines) *request.add_entries() = Line(line);
    v1::AppendOutputResponse response;
    const grpc::Status status = workers->AppendOutput(&context, request, &response);
    if (next_index != nullptr) *next_index = response.next_index();
    return status;
  }
  v1::ReadOutputResponse Read(const std::string& id, uint64_t offset = 0, int64_t wait_ms = 0,
                              int32_t bytes_max = 0) {
    Context context;
    v1::ReadOutputRequest request;
    request.set_task_id(id);
    request.set_offset(offset);
    request.set_wait_ms(wait_ms);
    request.set_bytes_max(bytes_max);
    v1::ReadOutputResponse response;
    const grpc::Status status = tasks->ReadOutput(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::vector<std::string> Lines(const v1::ReadOutputResponse& response) {
    std::vector<std::string> lines;
    for (const v1::OutputRun& run : response.runs()) {
      for (const v1::OutputEntry& entry : run.entries()) lines.push_back(entry.data());
    }
    return lines;
  }
};

TEST_F(Output, WhatATaskSaysIsReadWhileItRunsAndAfter) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::LeasedTask task = Lease("mail").tasks(0);
  uint64_t next = 0;
  ASSERT_TRUE(Append(task.token(), {"a", "b"}, 0, &next).ok());
  EXPECT_EQ(next, 2u);
  v1::ReadOutputResponse read = Read(id);
  EXPECT_THAT(Lines(read), ElementsAre("a", "b"));
  EXPECT_EQ(read.runs(0).first_offset(), 0u);
  EXPECT_EQ(read.runs(0).attempt(), 1);
  EXPECT_FALSE(read.runs(0).superseded());
  EXPECT_EQ(read.runs(0).entries(0).time_ms(), 5);
  EXPECT_EQ(read.next_offset(), 2u);
  EXPECT_FALSE(read.end());
  EXPECT_EQ(read.state(), v1::TASK_STATE_RUNNING);
  EXPECT_EQ(read.attempt(), 1);

  read = Read(id, 2);
  EXPECT_THAT(Lines(read), IsEmpty());
  EXPECT_EQ(read.next_offset(), 2u);
  EXPECT_FALSE(read.end());

  Complete(Succeeded(task, "done"));
  read = Read(id, 1);
  EXPECT_THAT(Lines(read), ElementsAre("b"));
  EXPECT_EQ(read.runs(0).first_offset(), 1u);
  EXPECT_TRUE(read.end());
  EXPECT_EQ(read.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_TRUE(Read(id, read.next_offset()).end());
}

TEST_F(Output, ALongOneIsReadInPages) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::LeasedTask task = Lease("mail").tasks(0);
  std::vector<std::string> all;
  for (int i = 0; i < 200; ++i) all.emplace_back(1'000, static_cast<char>('a' + i % 26));
  for (size_t i = 0; i < all.size(); i += 50) {
    ASSERT_TRUE(Append(task.token(), {all.begin() + static_cast<std::ptrdiff_t>(i),
                                      all.begin() + static_cast<std::ptrdiff_t>(i) + 50})
                    .ok());
  }
  Complete(Succeeded(task, ""));
  std::vector<std::string> seen;
  uint64_t offset = 0;
  for (bool end = false; !end;) {
    const v1::ReadOutputResponse page = Read(id, offset, 0, 7'500);
    const std::vector<std::string> lines = Lines(page);
    EXPECT_LE(lines.size(), 8u);
    EXPECT_EQ(page.next_offset(), offset + lines.size());
    seen.insert(seen.end(), lines.begin(), lines.end());
    offset = page.next_offset();
    end = page.end();
  }
  EXPECT_EQ(seen, all);
}

TEST_F(Output, WhoWaitsIsToldOfMoreAndOfTheEnd) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::LeasedTask task = Lease("mail").tasks(0);
  auto more = std::async(std::launch::async, [&] { return Read(id, 0, 3'600'000); });
  ASSERT_TRUE(Append(task.token(), {"a"}).ok());
  EXPECT_THAT(Lines(more.get()), ElementsAre("a"));
  auto end = std::async(std::launch::async, [&] { return Read(id, 1, 3'600'000); });
  Complete(Succeeded(task, ""));
  const v1::ReadOutputResponse last = end.get();
  EXPECT_TRUE(last.end());
  EXPECT_THAT(Lines(last), IsEmpty());
}

TEST_F(Output, AWaitThatIsOverSaysHowTheTaskIs) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::ReadOutputResponse read = Read(id, 0, 1);
  EXPECT_EQ(read.runs_size(), 0);
  EXPECT_EQ(read.state(), v1::TASK_STATE_QUEUED);
  EXPECT_FALSE(read.end());
}

TEST_F(Output, AnAttemptThatDoesNotCountIsMarked) {
  const std::string id = Submit(Spec("mail")).task_id();
  v1::LeasedTask task = Lease("mail").tasks(0);
  ASSERT_TRUE(Append(task.token(), {"first"}).ok());
  v1::AttemptReport failed;
  failed.set_token(task.token());
  failed.set_end(v1::ATTEMPT_END_FAILED);
  failed.mutable_error()->set_retry_after_ms(1);
  Complete(failed);
  EXPECT_FALSE(Read(id).runs(0).superseded());  // no later one has begun
  EXPECT_EQ(Append(task.token(), {"late"}).error_code(), grpc::ABORTED);
  task = Lease("mail").tasks(0);
  EXPECT_TRUE(Read(id).runs(0).superseded());
  ASSERT_TRUE(Append(task.token(), {"second"}, 0).ok());
  v1::ReadOutputResponse read = Read(id);
  EXPECT_THAT(Lines(read), ElementsAre("first", "second"));
  ASSERT_EQ(read.runs_size(), 2);
  EXPECT_TRUE(read.runs(0).superseded());
  EXPECT_FALSE(read.runs(1).superseded());
  EXPECT_EQ(read.runs(1).attempt(), 2);
  Complete(Succeeded(task, ""));
  read = Read(id);
  EXPECT_TRUE(read.runs(0).superseded());
  EXPECT_FALSE(read.runs(1).superseded());
}

TEST_F(Output, OverAStreamItIsHandledBeforeTheReportEndsTheLease) {
  const std::string id = Submit(Spec("mail")).task_id();
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const uint64_t token = worker.NextTask().token();
  // Of messages that come one by one or together.
  const auto handled = [&worker] {
    v1::AttachResponse answer = worker.Next();
    if (answer.output_handled_size() == 0) answer = worker.Next();
    EXPECT_EQ(answer.output_handled_size(), 1);
    return answer.output_handled_size() == 0 ? v1::OutputHandled() : answer.output_handled(0);
  };
  v1::AttachRequest done;
  v1::OutputReport& output = *done.add_output();
  output.set_token(token);
  *output.add_entries() = Line("a");
  *output.add_entries() = Line("b");
  v1::AttemptReport& report = *done.add_reports();
  report.set_token(token);
  report.set_end(v1::ATTEMPT_END_SUCCEEDED);
  done.set_report_sequence(1);
  worker.Write(done);
  const v1::OutputHandled first = handled();
  EXPECT_EQ(first.token(), token);
  EXPECT_EQ(first.below_index(), 2u);
  ASSERT_TRUE(Await(id).finished());
  EXPECT_THAT(Lines(Read(id)), ElementsAre("a", "b"));

  v1::AttachRequest late;
  v1::OutputReport& more = *late.add_output();
  more.set_token(token);
  more.set_first_index(2);
  *more.add_entries() = Line("late");
  worker.Write(late);
  EXPECT_EQ(handled().below_index(), 3u);
  EXPECT_THAT(Lines(Read(id)), ElementsAre("a", "b"));
}

TEST_F(Output, BadInputIsRefused) {
  EXPECT_THAT(Append(7, {}).error_message(), HasSubstr("entries"));
  EXPECT_THAT(Append(0, {"a"}).error_message(), HasSubstr("token"));
  EXPECT_THAT(Append(7, {std::string((1 << 20) + 1, 'x')}).error_message(),
              HasSubstr("entries[0].data: has 1048577 bytes; send at most 1048576"));
  EXPECT_THAT(Append(7, {"a"}, uint64_t{1} << 49).error_message(), HasSubstr("first_index"));
  Context context;
  v1::AppendOutputRequest request;
  request.set_token(7);
  *request.add_entries() = Line("a");
  request.mutable_entries(0)->set_kind(v1::OUTPUT_KIND_NOTICE);
  v1::AppendOutputResponse response;
  const grpc::Status status = workers->AppendOutput(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("entries[0].kind: 4 is not one"));

  Context unknown;
  v1::ReadOutputRequest read;
  read.set_task_id("cnsef1k6a7-1k9");
  v1::ReadOutputResponse none;
  EXPECT_EQ(tasks->ReadOutput(&unknown, read, &none).error_code(), grpc::NOT_FOUND);
}

}  // namespace
}  // namespace treadle::test
