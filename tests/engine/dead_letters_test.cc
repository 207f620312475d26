#include "server/engine/dead_letters.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/run_fixture.h"

// What the script of this name leaves out: many at once, and a store that has lost something.

namespace treadle::engine {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class DeadLettersTest : public RunTest {
 protected:
  // All of a run of so many.
  Effects FailRun(uint32_t tasks) {
    const Lease lease = LeaseOfRun(tasks);
    for (uint64_t i = 0; i < tasks; ++i) {
      EndAttempt failed{
          .call = kWorker, .token = After(lease.token, i), .end = AttemptEnd::kFailed};
      failed.error.type = "Oops";
      failed.error.permanent = true;
      Step(failed);
    }
    return Tick();
  }
  static LetterMovesDue MovesIn(const Effects& effects) {
    const std::vector<LetterMovesDue> due = Heard<LetterMovesDue>(effects);
    return due.empty() ? LetterMovesDue() : due.at(0);
  }
  static SweepDue SweepIn(const Effects& effects) {
    const std::vector<SweepDue> due = Heard<SweepDue>(effects);
    EXPECT_THAT(due, SizeIs(1));
    return due.empty() ? SweepDue() : due[0];
  }
  Effects Answer(Command answer) {
    Step(std::move(answer));
    Effects effects = Tick();
    engine().CheckInvariants();
    return effects;
  }
  Effects Keep(int64_t max_tasks) {
    UpdateQueue update{kOther, "mail"};
    update.dead_letters_max_tasks = max_tasks;
    return Answer(update);
  }
};

TEST_F(DeadLettersTest, ManyAreMovedAThousandAtATime) {
  LetterMovesDue due = MovesIn(FailRun(2'500));
  std::vector<size_t> sizes;
  while (!due.moves.empty()) {
    sizes.push_back(due.moves.size());
    EXPECT_EQ(rows().CountOf('t'), 1) << "the run's row goes when all have left it";
    due = MovesIn(Answer(rows().Answer(due)));
  }
  EXPECT_THAT(sizes, testing::ElementsAre(1'000, 1'000, 500));
  EXPECT_EQ(rows().CountOf('t'), 0);
  EXPECT_EQ(rows().CountOf('u'), 0);
  EXPECT_EQ(rows().CountOf('x'), 0);
  EXPECT_EQ(rows().CountOf('p'), 2'500);
  EXPECT_EQ(rows().CountOf('d'), 2'500);
  EXPECT_EQ(rows().CountOf('e'), 1);
  EXPECT_EQ(engine().FindQueue("mail", now_ms())->dead_letters, 2'500);
}

TEST_F(DeadLettersTest, AStartGoesOnWithWhatWasNotMoved) {
  LetterMovesDue due = MovesIn(FailRun(1'200));
  Answer(rows().Answer(due));
  EXPECT_EQ(rows().CountOf('x'), 200);
  Restart();
  due = MovesIn(Tick());
  EXPECT_THAT(due.moves, SizeIs(200));
  Answer(rows().Answer(due));
  EXPECT_EQ(rows().CountOf('t'), 0);
  EXPECT_EQ(rows().CountOf('p'), 1'200);
}

// The store is damaged, or it would be there.
TEST_F(DeadLettersTest, OneWhosePayloadIsNotFoundIsKeptWithoutIt) {
  const LetterMovesDue due = MovesIn(FailRun(3));
  MoveDeadTasks answer = rows().Answer(due);
  answer.rows.erase(answer.rows.begin() + 1);
  Answer(answer);
  EXPECT_EQ(rows().CountOf('p'), 2);
  EXPECT_EQ(rows().CountOf('d'), 3);
  EXPECT_EQ(rows().CountOf('t'), 0);
  EXPECT_FALSE(engine().FindMoving({1, 2}).has_value());
}

TEST_F(DeadLettersTest, WhatIsDroppedWhileItMovesIsNotMoved) {
  const LetterMovesDue due = MovesIn(FailRun(4));
  const SweepDue sweep = SweepIn(Keep(1));
  const MoveDeadTasks moves = rows().Answer(due);
  Answer(rows().Answer(sweep, 100));
  EXPECT_EQ(rows().CountOf('d'), 1);
  EXPECT_EQ(rows().CountOf('x'), 1);
  Answer(moves);
  EXPECT_EQ(rows().CountOf('p'), 1);
  EXPECT_EQ(rows().CountOf('t'), 0);
}

// More was counted than there is: what is found decides, or it would be looked for without an end.
TEST_F(DeadLettersTest, WhatIsNotThereIsNotCounted) {
  Answer(rows().Answer(MovesIn(FailRun(5))));
  const SweepDue sweep = SweepIn(Keep(2));
  SweepDeadLetters answer = rows().Answer(sweep, 100);
  answer.letters.resize(1);
  answer.end = true;
  const Effects effects = Answer(answer);
  EXPECT_THAT(Heard<SweepDue>(effects), IsEmpty());
  EXPECT_EQ(engine().FindQueue("mail", now_ms())->dead_letters, 0);
  EXPECT_EQ(rows().CountOf('e'), 0);
  EXPECT_GT(engine().NextDeadline(), now_ms());
}

TEST_F(DeadLettersTest, GroupsComeByTheirSizeAndInPages) {
  const Lease lease = LeaseOfRun(6);
  for (uint64_t i = 0; i < 6; ++i) {
    EndAttempt failed{.call = kWorker, .token = After(lease.token, i), .end = AttemptEnd::kFailed};
    failed.error.type = i < 3 ? "Three" : i < 5 ? "Two" : "One";
    failed.error.permanent = true;
    Step(failed);
  }
  Tick();
  const auto types = [&](size_t skip, size_t limit) {
    std::vector<std::string> all;
    for (const LetterGroupView& view : engine().ListLetterGroups("", skip, limit)) {
      all.push_back(view.group.error_type);
    }
    return all;
  };
  EXPECT_THAT(types(0, 10), testing::ElementsAre("Three", "Two", "One"));
  EXPECT_THAT(types(1, 1), testing::ElementsAre("Two"));
  EXPECT_THAT(types(3, 10), IsEmpty());
  EXPECT_THAT(engine().ListLetterGroups("other", 0, 10), IsEmpty());
}

}  // namespace
}  // namespace treadle::engine
