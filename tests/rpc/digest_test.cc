#include "server/rpc/digest.h"

#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "server/rpc/page_token.h"
#include "server/rpc/submit_reader.h"

namespace treadle::rpc {
namespace {

engine::ContentDigest DigestOfTask(const std::function<void(v1::TaskSpec&)>& change) {
  v1::TaskSpec task;
  task.set_queue("mail");
  task.set_type("send");
  task.set_payload("hello");
  (*task.mutable_headers())["a"] = "1";
  (*task.mutable_headers())["b"] = "2";
  task.set_request_key("k");
  change(task);
  SubmitReader reader(Bounds{.payload_bytes_max = 100, .batch_tasks_max = 1});
  broker::BodyPtr body;
  return reader.Read(task, /*wall_ms=*/0, body).spec.digest;
}

// Digests are stored with request keys: this one must come out of every version.
TEST(Digest, IsTheSameForEver) {
  const engine::ContentDigest digest = DigestOfTask([](auto&) {});
  EXPECT_EQ(digest.high, 13800586776955405281u);
  EXPECT_EQ(digest.low, 15507150935555634571u);
}

TEST(Digest, DefaultsSpeltOutAndWhatIsNotContentMakeNoDifference) {
  const engine::ContentDigest digest = DigestOfTask([](auto&) {});
  const std::vector<std::function<void(v1::TaskSpec&)>> same = {
      [](auto& t) { t.set_max_attempts(3); },
      [](auto& t) { t.mutable_retry()->set_jitter(0.1); },
      [](auto& t) { t.set_result_ttl_ms(3'600'000); },
      [](auto& t) { t.set_delay_ms(0); },
      [](auto& t) { t.set_durability(v1::DURABILITY_MEMORY); },
      [](auto& t) { t.set_wait_if_full_ms(5); },
      [](auto& t) { (*t.mutable_headers())["traceparent"] = "00-1-2-01"; },
      [](auto& t) { (*t.mutable_headers())["tracestate"] = "vendor=1"; },
      [](auto& t) {
        t.clear_headers();
        (*t.mutable_headers())["b"] = "2";
        (*t.mutable_headers())["a"] = "1";
      },
  };
  for (const auto& change : same) EXPECT_EQ(DigestOfTask(change), digest);
}

TEST(Digest, EveryPartOfTheContentCounts) {
  std::vector<engine::ContentDigest> digests = {DigestOfTask([](auto&) {})};
  const std::vector<std::function<void(v1::TaskSpec&)>> other = {
      [](auto& t) { t.set_type("sen"); },
      [](auto& t) { t.set_payload("dhello"); },
      [](auto& t) { t.set_content_type("text/plain"); },
      [](auto& t) { (*t.mutable_headers())["a"] = "2"; },
      [](auto& t) { (*t.mutable_headers())["c"] = ""; },
      [](auto& t) { t.set_priority(1); },
      [](auto& t) { t.set_priority(-1); },
      [](auto& t) { t.set_run_at_ms(1); },
      [](auto& t) { t.set_delay_ms(1); },
      [](auto& t) { t.set_deadline_at_ms(1); },
      [](auto& t) { t.set_deadline_in_ms(1); },
      [](auto& t) { t.set_attempt_timeout_ms(1); },
      [](auto& t) { t.set_result_ttl_ms(0); },
      [](auto& t) { t.set_max_attempts(4); },
      [](auto& t) { t.mutable_retry()->set_initial_delay_ms(2); },
      [](auto& t) { t.mutable_retry()->set_multiplier(3); },
      [](auto& t) { t.mutable_retry()->set_max_delay_ms(3); },
      [](auto& t) { t.mutable_retry()->set_jitter(0); },
      [](auto& t) { t.mutable_retry()->add_no_retry_error_types("E"); },
  };
  for (const auto& change : other) {
    const engine::ContentDigest digest = DigestOfTask(change);
    EXPECT_EQ(std::count(digests.begin(), digests.end(), digest), 0) << digests.size();
    digests.push_back(digest);
  }
}

TEST(PageToken, GoesBackAndForthAndKnowsItsQuestion) {
  const std::string token = EncodePageToken("tasks mail", "u 17");
  EXPECT_EQ(DecodePageToken("tasks mail", token).value(), "u 17");
  EXPECT_EQ(DecodePageToken("tasks mail", "").value(), "");
  EXPECT_FALSE(DecodePageToken("tasks", token).ok());
  EXPECT_FALSE(DecodePageToken("tasks mail", token + "A").ok());
  EXPECT_FALSE(DecodePageToken("tasks mail", "u 17").ok());
}

}  // namespace
}  // namespace treadle::rpc
