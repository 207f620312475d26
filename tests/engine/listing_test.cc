#include "server/engine/listing.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/run_fixture.h"

namespace treadle::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t Bit(TaskState state) { return 1u << static_cast<uint32_t>(state); }
constexpr uint32_t kQueued = Bit(TaskState::kQueued);
constexpr uint32_t kRunning = Bit(TaskState::kRunning);

struct Listing : RunTest {
  // The sequences of a page of `limit` tasks; sets `from` to where to go on, and `more`.
  std::vector<uint64_t> Page(const std::string& queue, uint32_t states, bool newest_first,
                             size_t limit) {
    std::vector<uint64_t> sequences;
    const auto any = [](const std::string&, const std::string&) { return true; };
    const TasksLookedAt looked_at = engine().LookThroughTasks(
        {.queue = queue, .states = states, .fits = any, .newest_first = newest_first, .from = from},
        [&](const TaskView& task) {
          if (sequences.size() == limit) return false;
          sequences.push_back(task.id.sequence);
          return true;
        });
    searched = looked_at.searched;
    more = looked_at.next.has_value();
    if (more) from = *looked_at.next;
    return sequences;
  }
  std::vector<uint64_t> All(const std::string& queue, uint32_t states, bool newest_first,
                            size_t limit) {
    std::vector<uint64_t> all;
    from = newest_first ? UINT64_MAX : 0;
    do {
      const std::vector<uint64_t> page = Page(queue, states, newest_first, limit);
      all.insert(all.end(), page.begin(), page.end());
    } while (more);
    return all;
  }
  // In pages of every size, both ways round.
  void ExpectAll(const std::string& queue, uint32_t states, std::vector<uint64_t> sequences) {
    for (size_t limit = 1; limit <= sequences.size() + 1; ++limit) {
      EXPECT_EQ(All(queue, states, false, limit), sequences) << "pages of " << limit;
      EXPECT_EQ(All(queue, states, true, limit),
                std::vector<uint64_t>(sequences.rbegin(), sequences.rend()))
          << "pages of " << limit;
    }
  }

  uint64_t from = 0;
  int64_t searched = 0;
  bool more = false;
};

TEST_F(Listing, PagesBeginAndEndWithinRuns) {
  SubmitRun(1, 4);
  SubmitRun(5, 1, "news");
  SubmitRun(6, 3);
  Tick();
  ExpectAll("", 0, {1, 2, 3, 4, 5, 6, 7, 8});
  ExpectAll("mail", 0, {1, 2, 3, 4, 6, 7, 8});
  ExpectAll("mail", kQueued, {1, 2, 3, 4, 6, 7, 8});
  ExpectAll("news", kQueued | kRunning, {5});
}

TEST_F(Listing, ARunsTasksThatHavePartedAreStillInOrder) {
  SubmitRun(1, 4);
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 4});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  ASSERT_THAT(leases, testing::SizeIs(1));
  Step(EndAttempt{
      .call = kWorker, .token = After(leases[0].token, 1), .end = AttemptEnd::kReleased});
  SubmitRun(5, 2);
  Tick();
  ExpectAll("mail", 0, {1, 2, 3, 4, 5, 6});
  std::vector<uint64_t> running = All("mail", kRunning, false, 10);
  const std::vector<uint64_t> queued = All("mail", kQueued, false, 10);
  running.insert(running.end(), queued.begin(), queued.end());
  std::sort(running.begin(), running.end());
  EXPECT_THAT(running, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Listing, CountsAnswerForWhatAQueueHasNot) {
  SubmitRun(1, 4);
  SubmitRun(5, 2, "news");
  Tick();
  EXPECT_THAT(All("mail", kRunning, false, 10), IsEmpty());
  EXPECT_EQ(searched, 0);
  EXPECT_THAT(All("none", 0, false, 10), IsEmpty());
  EXPECT_EQ(searched, 0);
  // Only its own are looked at.
  EXPECT_THAT(All("news", 0, false, 10), ElementsAre(5, 6));
  EXPECT_EQ(searched, 2);
  // All are where some run, and those that do not fit are passed over.
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 1});
  Tick();
  EXPECT_THAT(All("mail", 0, false, 10), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(searched, 6);
  EXPECT_THAT(All("mail", kQueued, false, 10), ElementsAre(2, 3, 4));
  EXPECT_EQ(searched, 3);
}

TEST_F(Listing, WhatComesAndGoesMeanwhileNeitherDoublesNorHidesOthers) {
  for (uint64_t i = 1; i <= 20; ++i) SubmitRun(i, 1);
  Tick();
  uint64_t next = 100;
  for (const bool newest_first : {false, true}) {
    std::vector<uint64_t> listed;
    from = newest_first ? UINT64_MAX : 0;
    uint64_t gone = newest_first ? 2 : 12;  // odd ones stay
    do {
      for (const uint64_t sequence : Page("mail", 0, newest_first, 3)) listed.push_back(sequence);
      SubmitRun(next++, 1);
      Step(Cancel{.call = kClient, .task = TaskId{1, gone}});
      gone += 2;
      Tick();
    } while (more && gone < (newest_first ? 12u : 22u));
    while (more) {
      for (const uint64_t sequence : Page("mail", 0, newest_first, 3)) listed.push_back(sequence);
    }
    std::sort(listed.begin(), listed.end());
    EXPECT_EQ(std::adjacent_find(listed.begin(), listed.end()), listed.end());
    EXPECT_THAT(listed, testing::IsSupersetOf({1, 3, 5, 7, 9, 11, 13, 15, 17, 19}));
  }
}

TEST_F(Listing, OneLookAtARunPassesItOver) {
  SubmitRun(1, 1'000);
  SubmitRun(1'001, 1, "news");
  Tick();
  int asked = 0;
  const auto fits = [&asked](const std::string& queue, const std::string&) {
    ++asked;
    return queue == "news";
  };
  int visited = 0;
  const TasksLookedAt looked_at =
      engine().LookThroughTasks({.fits = fits}, [&visited](const TaskView&) {
        ++visited;
        return true;
      });
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(visited, 1);
  EXPECT_EQ(looked_at.searched, 1'001);
}

TEST_F(Listing, ALookHasABound) {
  constexpr uint64_t kTasks = 100'003;
  for (uint64_t i = 1; i <= kTasks; ++i) SubmitRun(i, 1);
  Tick();
  const auto none = [](const std::string&, const std::string&) { return false; };
  const auto visit = [](const TaskView&) { return true; };
  const TasksLookedAt first = engine().LookThroughTasks({.fits = none}, visit);
  EXPECT_EQ(first.searched, 100'000);
  ASSERT_EQ(first.next, 100'001u);
  const TasksLookedAt second =
      engine().LookThroughTasks({.fits = none, .from = *first.next}, visit);
  EXPECT_EQ(second.searched, 3);
  EXPECT_FALSE(second.next.has_value());
}

}  // namespace
}  // namespace treadle::engine
