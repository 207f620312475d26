#include <string>
#include <utility>
#include <vector>

#include "client/cli/top/model.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cli/top_snapshots.h"

namespace treadle::cli::top {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = Key::Kind;

constexpr Key::Kind kEnter = Kind::kEnter;
constexpr Key::Kind kEscape = Kind::kEscape;

class TopModel : public testing::Test {
 protected:
  TopModel() : model_("127.0.0.1:7733", 2'000) { model_.Show(Shared(Busy()), 0); }

  Model::Effect Press(Kind kind) { return model_.Press({kind, ""}); }
  // Each character is a key. The last one's effect.
  Model::Effect Press(const std::string& text) {
    Model::Effect effect;
    for (const char c : text) effect = model_.Press({Kind::kText, std::string(1, c)});
    return effect;
  }
  std::vector<std::string> Queues() const {
    std::vector<std::string> names;
    for (const v1::Queue* queue : model_.queues()) names.push_back(queue->config().name());
    return names;
  }
  std::string Selected() const { return Queues().at(model_.selected()); }

  Model model_;
};

constexpr char kTokyo[] = "発送のキュー・東京第一倉庫";
constexpr char kTenant[] = "tenant-4711.eu-west-1.billing.invoices.render-and-send";

TEST_F(TopModel, QueuesAreSortedByWhatSChooses) {
  EXPECT_THAT(Queues(), ElementsAre("logs", "images", "mail", kTokyo, kTenant));
  EXPECT_EQ(model_.sort(), Sort::kQueued);
  const std::vector<std::pair<Sort, std::string>> first = {{Sort::kRunning, "logs"},
                                                           {Sort::kRate, "logs"},
                                                           {Sort::kAge, "logs"},
                                                           {Sort::kFailed, "images"},
                                                           {Sort::kName, "images"}};
  for (const auto& [sort, name] : first) {
    Press("s");
    EXPECT_EQ(model_.sort(), sort);
    EXPECT_EQ(Queues().front(), name) << SortName(sort);
  }
  // As the broker lists them.
  EXPECT_THAT(Queues(), ElementsAre("images", "logs", "mail", kTenant, kTokyo));
}

TEST_F(TopModel, TheSelectionMovesWithinTheList) {
  EXPECT_EQ(Selected(), "logs");
  Press("jj");
  EXPECT_EQ(Selected(), "mail");
  Press("k");
  EXPECT_EQ(Selected(), "images");
  Press(Kind::kEnd);
  EXPECT_EQ(Selected(), kTenant);
  Press(Kind::kPageDown);
  EXPECT_EQ(Selected(), kTenant);
  Press("gg");
  EXPECT_EQ(Selected(), "logs");
  Press(Kind::kUp);
  EXPECT_EQ(Selected(), "logs");
}

TEST_F(TopModel, TheSelectionFollowsItsQueueWhereverThatIsSortedTo) {
  Press("j");
  EXPECT_EQ(Selected(), "images");
  Snapshot later = Busy();
  later.queues[0].mutable_stats()->set_queued(2'000'000);
  model_.Show(Shared(later), 2'000);
  EXPECT_EQ(model_.selected(), 0);
  EXPECT_EQ(Selected(), "images");
  // It has been deleted: what has taken its place.
  later.queues.erase(later.queues.begin());
  model_.Show(Shared(later), 4'000);
  EXPECT_EQ(Selected(), "logs");
}

TEST_F(TopModel, AFilterIsTypedAndTakesNamesInAnyCase) {
  Press("/");
  EXPECT_TRUE(model_.typing());
  Press("MAx");
  EXPECT_THAT(Queues(), IsEmpty());
  Press(Kind::kErase);
  EXPECT_THAT(Queues(), ElementsAre("images", "mail"));
  Press(kEnter);
  EXPECT_FALSE(model_.typing());
  EXPECT_EQ(model_.filter(), "MA");
  // Escape drops it, and only then leaves.
  EXPECT_FALSE(Press(kEscape).quit);
  EXPECT_EQ(Queues().size(), 5);
  EXPECT_TRUE(Press(kEscape).quit);
}

TEST_F(TopModel, ErasingAFilterTakesWholeCharacters) {
  Press("/");
  model_.Press({Kind::kText, "東"});
  EXPECT_THAT(Queues(), ElementsAre(kTokyo));
  Press(Kind::kErase);
  EXPECT_EQ(model_.filter(), "");
  Press(Kind::kErase);
  EXPECT_TRUE(model_.typing());
}

TEST_F(TopModel, KeysOfAFilterAreNoCommands) {
  Press("/");
  EXPECT_FALSE(Press("q").quit);
  EXPECT_EQ(model_.filter(), "q");
}

TEST_F(TopModel, GAndALetterGoToAPage) {
  EXPECT_EQ(model_.page(), Page::kOverview);
  Press("gq");
  EXPECT_EQ(model_.page(), Page::kQueues);
  Press("gw");
  EXPECT_EQ(model_.page(), Page::kWorkers);
  Press("gd");
  EXPECT_EQ(model_.page(), Page::kDead);
  EXPECT_TRUE(model_.detail().groups);
  Press("go");
  EXPECT_EQ(model_.page(), Page::kOverview);
  EXPECT_FALSE(model_.detail().groups);
  // q after g is no end.
  EXPECT_FALSE(Press("gq").quit);
  EXPECT_TRUE(Press("q").quit);
}

TEST_F(TopModel, EnterOpensAQueueAndQGoesBackToItsRow) {
  Press("gqj");
  Press(kEnter);
  EXPECT_EQ(model_.page(), Page::kQueue);
  EXPECT_EQ(model_.opened()->config().name(), "images");
  EXPECT_EQ(model_.detail(), (Detail{"images", false}));
  EXPECT_FALSE(model_.opened_is_known());
  model_.Show(Shared(WithImagesOpen()), 2'000);
  EXPECT_TRUE(model_.opened_is_known());
  EXPECT_EQ(model_.groups().size(), 1);
  EXPECT_FALSE(Press("q").quit);
  EXPECT_EQ(model_.page(), Page::kQueues);
  EXPECT_EQ(Selected(), "images");
}

TEST_F(TopModel, AnOpenQueueMayBeDeleted) {
  Press("j");
  Press(kEnter);
  Snapshot later = Busy();
  later.queues.erase(later.queues.begin());
  model_.Show(Shared(later), 2'000);
  EXPECT_EQ(model_.opened(), nullptr);
  Press("p");
  EXPECT_EQ(model_.Question(), "");
}

TEST_F(TopModel, EnterOnADeadLetterGroupOpensItsQueue) {
  Press("gd");
  Snapshot with_groups = WithImagesOpen();
  with_groups.detail = {"", true};
  model_.Show(Shared(with_groups), 2'000);
  Press(kEnter);
  EXPECT_EQ(model_.opened_name(), "images");
}

TEST_F(TopModel, AQueueIsPausedAfterAYes) {
  EXPECT_FALSE(Press("jp").action.has_value());
  EXPECT_EQ(model_.Question(), "Pause queue 'images'? y/n");
  const Model::Effect effect = Press("y");
  ASSERT_TRUE(effect.action.has_value());
  EXPECT_EQ(effect.action->queue, "images");
  EXPECT_TRUE(effect.action->pause);
  EXPECT_EQ(model_.Question(), "");
}

TEST_F(TopModel, APausedOneIsResumed) {
  Press("Gkp");
  EXPECT_EQ(model_.Question(), std::string("Resume queue '") + kTokyo + "'? y/n");
  EXPECT_FALSE(Press("y").action->pause);
}

TEST_F(TopModel, AnyOtherKeyThanYesIsNo) {
  Press("p");
  const Model::Effect effect = Press("q");
  EXPECT_FALSE(effect.action.has_value());
  EXPECT_FALSE(effect.quit);
  EXPECT_EQ(model_.Question(), "");
}

TEST_F(TopModel, RGoesThroughTheIntervals) {
  for (const int64_t interval_ms : {5'000, 15'000, 1'000, 2'000}) {
    Press("r");
    EXPECT_EQ(model_.interval_ms(), interval_ms);
  }
}

TEST_F(TopModel, DataAreStaleWhenAnAnswerIsLateOrHasFailed) {
  EXPECT_EQ(model_.StaleMs(4'000), 0);
  EXPECT_EQ(model_.StaleMs(6'000), 6'000);
  model_.Lose("connection refused");
  EXPECT_EQ(model_.StaleMs(1'500), 1'500);
  model_.Show(Shared(Busy()), 7'000);
  EXPECT_EQ(model_.StaleMs(7'000), 0);
  EXPECT_EQ(model_.lost(), "");
}

TEST_F(TopModel, WorkersInTroubleComeFirst) {
  std::vector<std::string> names;
  for (const v1::Worker* worker : model_.workers()) names.push_back(worker->name());
  EXPECT_THAT(names,
              ElementsAre("shipper-tokyo-12.example.com:1", "resizer-2:815", "resizer-1:4711"));
}

TEST_F(TopModel, HelpGoesAwayAgain) {
  Press("gw?");
  EXPECT_EQ(model_.page(), Page::kHelp);
  Press("?");
  EXPECT_EQ(model_.page(), Page::kHelp);
  EXPECT_FALSE(Press(kEscape).quit);
  EXPECT_EQ(model_.page(), Page::kWorkers);
}

}  // namespace
}  // namespace treadle::cli::top
