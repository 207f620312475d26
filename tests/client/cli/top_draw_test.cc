#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include "client/cli/top/draw.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cli/top_snapshots.h"

// Whole screens are the files of tests/client/cli/screens. TREADLE_REWRITE_SCREENS=1 puts what is
// really drawn into them; look at the difference before you commit it.

namespace treadle::cli::top {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Canvas kSmall = {.columns = 80, .rows = 24, .keys = true};
constexpr Canvas kLarge = {.columns = 200, .rows = 50, .keys = true};

Model BusyModel() {
  Model model("127.0.0.1:7733", 2'000);
  for (int i = 0; i < 60; i++) {
    Snapshot snapshot = Busy();
    snapshot.queues[0].mutable_stats()->set_finished_per_second(i % 30 * 10);
    model.Show(Shared(std::move(snapshot)), i * 2'000);
  }
  return model;
}
constexpr int64_t kNowMs = 118'000;

void Press(Model& model, const std::string& text) {
  for (const char c : text) {
    model.Press(c == '\n' ? Key{Key::Kind::kEnter, ""} : Key{Key::Kind::kText, std::string(1, c)});
  }
}

std::string Text(const Lines& lines) { return absl::StrJoin(lines, "\n") + "\n"; }

void CheckScreen(const std::string& name, const Model& model, const Canvas& canvas) {
  const Lines lines = Draw(model, canvas, kNowMs);
  ASSERT_EQ(lines.size(), canvas.rows);
  std::string drawn;
  for (const std::string& line : lines) {
    EXPECT_LE(DisplayWidth(line), canvas.columns) << line;
    drawn += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  const std::filesystem::path path = std::filesystem::path(TREADLE_SCREENS) / (name + ".txt");
  if (std::getenv("TREADLE_REWRITE_SCREENS") != nullptr) {
    std::ofstream(path) << drawn;
    return;
  }
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(expected.str(), drawn);
}

TEST(TopScreen, Overview) {
  const Model model = BusyModel();
  CheckScreen("overview_80x24", model, kSmall);
  CheckScreen("overview_200x50", model, kLarge);
}

TEST(TopScreen, Queues) {
  Model model = BusyModel();
  Press(model, "gqj");
  CheckScreen("queues_80x24", model, kSmall);
  CheckScreen("queues_200x50", model, kLarge);
}

TEST(TopScreen, AQueue) {
  Model model = BusyModel();
  Press(model, "j\n");
  model.Show(Shared(WithImagesOpen()), kNowMs);
  CheckScreen("queue_80x24", model, kSmall);
  CheckScreen("queue_200x50", model, kLarge);
}

TEST(TopScreen, ACircuitThatIsOpen) {
  Snapshot snapshot = Quiet();
  v1::Queue mail = MakeQueue("mail", 7);
  mail.set_paused(true);
  mail.set_circuit_open(true);
  mail.set_paused_at_ms(AgoMs(kThreeDaysMs));
  mail.set_pause_reason("12 of 20 attempts failed");
  mail.set_resume_at_ms(AgoMs(-kThreeDaysMs));
  snapshot.queues.push_back(mail);
  Model model("127.0.0.1:7733", 2'000);
  model.Show(Shared(snapshot), kNowMs);
  Press(model, "gq");
  EXPECT_THAT(Text(Draw(model, kSmall, kNowMs)), HasSubstr("> mail              circuit open"));
  Press(model, "\n");
  EXPECT_THAT(Text(Draw(model, kSmall, kNowMs)),
              AllOf(HasSubstr("circuit open for 3d"), HasSubstr("12 of 20 attempts failed"),
                    HasSubstr("resumes ")));
}

TEST(TopScreen, Workers) {
  Model model = BusyModel();
  Press(model, "gw");
  CheckScreen("workers_80x24", model, kSmall);
}

TEST(TopScreen, DeadLetterGroups) {
  Model model = BusyModel();
  Press(model, "gd");
  Snapshot snapshot = WithImagesOpen();
  snapshot.detail = {"", true};
  model.Show(Shared(snapshot), kNowMs);
  CheckScreen("dead_80x24", model, kSmall);
}

TEST(TopScreen, Help) {
  Model model = BusyModel();
  Press(model, "?");
  CheckScreen("help_80x24", model, kSmall);
}

TEST(TopScreen, OneOfFortyColumnsAndTenRows) {
  CheckScreen("overview_40x10", BusyModel(), {.columns = 40, .rows = 10, .keys = true});
}

// Each page in each size: no line is too long, and there are as many as the screen has rows.
TEST(TopScreen, FitsEveryTerminal) {
  for (const std::string keys : {"", "gq", "gw", "gd", "j\n", "Gk\n", "?", "p", "/東"}) {
    Model model = BusyModel();
    Press(model, keys);
    Snapshot snapshot = WithImagesOpen();
    snapshot.detail = model.detail();
    model.Show(Shared(snapshot), kNowMs);
    for (int columns = 1; columns <= 300; columns += columns < 100 ? 1 : 37) {
      for (const int rows : {1, 2, 5, 10, 24, 100}) {
        const Canvas canvas = {.columns = columns, .rows = rows, .keys = true};
        const Lines lines = Draw(model, canvas, kNowMs);
        ASSERT_EQ(lines.size(), rows) << keys << columns;
        for (const std::string& line : lines) ASSERT_LE(DisplayWidth(line), columns) << line;
      }
    }
  }
}

TEST(TopScreen, TenThousandQueuesAreShownAPageAtATime) {
  Snapshot snapshot = Quiet();
  for (int i = 0; i < 10'000; i++) {
    snapshot.queues.push_back(MakeQueue(fmt::format("q{:05}", i), 1, 1));
  }
  Model model("127.0.0.1:7733", 2'000);
  model.Show(Shared(snapshot), 0);
  Press(model, "gqG");
  const std::string last = Text(Draw(model, kSmall, 0));
  EXPECT_THAT(last, AllOf(HasSubstr("> q09999"), HasSubstr("-10000 of 10000, by queued")));
  model.Press({Key::Kind::kHome, ""});
  EXPECT_THAT(Text(Draw(model, kSmall, 0)),
              AllOf(HasSubstr("> q00000"), HasSubstr("QUEUES  1-17 of 10000")));
}

TEST(TopScreen, AllIsWell) {
  Model model("127.0.0.1:7733", 2'000);
  model.Show(Shared(Quiet()), 0);
  EXPECT_EQ(Draw(model, kSmall, 0)[2], "all is well");
}

TEST(TopScreen, WithoutABrokerTheLastDataAreDimmedAndTheirAgeIsTold) {
  Model model = BusyModel();
  model.Lose("connection refused");
  Canvas canvas = kSmall;
  canvas.styles = canvas.colour = true;
  const Lines lines = Draw(model, canvas, kNowMs + 12'000);
  EXPECT_EQ(lines[2], "\x1b[31m! not reached for 12s: connection refused\x1b[0m");
  for (const size_t row : {0, 1, 4, 8}) {
    EXPECT_TRUE(absl::StartsWith(lines[row], "\x1b[2m")) << lines[row];
  }
}

TEST(TopScreen, WithoutColourThereIsNone) {
  Canvas canvas = kSmall;
  canvas.styles = true;
  EXPECT_THAT(Draw(BusyModel(), canvas, kNowMs), Each(Not(HasSubstr("\x1b[3"))));
  EXPECT_THAT(Text(Draw(BusyModel(), canvas, kNowMs)), HasSubstr("\x1b[7m> logs"));
  EXPECT_THAT(Draw(BusyModel(), kSmall, kNowMs), Each(Not(HasSubstr("\x1b"))));
}

TEST(TopScreen, AsTextThereAreNoKeysAndNothingIsCut) {
  const std::string text = Text(Draw(BusyModel(), {.rows = 1'000}, kNowMs));
  EXPECT_THAT(text, AllOf(HasSubstr("tenant-4711.eu-west-1.billing.invoices.render-and-send"),
                          HasSubstr("shipper-tokyo-12.example.com:1"), HasSubstr("DISCIPLINE"),
                          Not(HasSubstr("q quit")), Not(HasSubstr("> "))));
}

}  // namespace
}  // namespace treadle::cli::top
