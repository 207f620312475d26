#include "proto/program/flags.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::program {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Flags : public ::testing::Test {
 protected:
  Flags() : app(NewApp("tool", "A tool.", "Example: tool --size 1KiB")) {
    AddConfigFlag(*app);
    AddText(*app, "--listen", listen, "HOST:PORT", "Where to listen.");
    AddList(*app, "--queue", queues, "NAME", "A queue to serve.");
    AddChoice(*app, "--store", store, {"memory", "rocksdb"}, "Where rows live.");
    AddSwitch(*app, "--create", create, "Create what is missing.");
    AddCount(*app, "--slots", slots, 1, 100, "Slots.");
    AddDuration(*app, "--lease-time", lease_ms, 1'000, 60'000, "Leases.");
    AddSize(*app, "--size", size, 1, int64_t{1} << 30, "Size.");
  }

  ~Flags() override {
    if (!file.empty()) std::remove(file.c_str());
  }

  // The exit code, or -1: go on. What went to stderr is in `said`.
  int Run(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "tool");
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const auto code = Parse(*app, static_cast<int>(arguments.size()), arguments.data());
    said = ::testing::internal::GetCapturedStderr() + ::testing::internal::GetCapturedStdout();
    return code.value_or(-1);
  }

  // A config file with this text. Tests run beside each other, each in a process.
  std::string File(const std::string& text) {
    file = ::testing::TempDir() + "flags_test." + std::to_string(::getpid()) + ".conf";
    std::ofstream(file) << text;
    return file;
  }

  std::string file;
  std::unique_ptr<CLI::App> app;
  std::string listen = "127.0.0.1:7733";
  std::vector<std::string> queues;
  std::string store = "rocksdb";
  bool create = true;
  int64_t slots = 4;
  int64_t lease_ms = 15'000;
  int64_t size = 4 << 20;
  std::string said;
};

TEST_F(Flags, DefaultsStayWhenNothingIsGiven) {
  EXPECT_EQ(Run({}), -1) << said;
  EXPECT_EQ(listen, "127.0.0.1:7733");
  EXPECT_TRUE(create);
  EXPECT_EQ(lease_ms, 15'000);
}

TEST_F(Flags, ReadsEveryKind) {
  EXPECT_EQ(Run({"--listen", ":1", "--queue", "a", "--queue=b,c", "--store=memory",
                 "--create=false", "--slots", "7", "--lease-time", "2500ms", "--size", "1.5KiB"}),
            -1)
      << said;
  EXPECT_EQ(listen, ":1");
  EXPECT_THAT(queues, ElementsAre("a", "b,c"));
  EXPECT_EQ(store, "memory");
  EXPECT_FALSE(create);
  EXPECT_EQ(slots, 7);
  EXPECT_EQ(lease_ms, 2'500);
  EXPECT_EQ(size, 1'536);
}

TEST_F(Flags, AnEmptyValueDoesNotTakeTheNextWord) {
  EXPECT_EQ(Run({"--listen=", "--slots", "7", "--queue", "--queue=", "--size=8"}), -1) << said;
  EXPECT_EQ(listen, "");
  EXPECT_THAT(queues, ElementsAre("--queue="));
  EXPECT_EQ(slots, 7);
  EXPECT_EQ(size, 8);
  EXPECT_EQ(Run({"--slots=", "7"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--slots: ''"));
}

TEST_F(Flags, ConfigFileTakesTheSameNamesAndTheCommandLineWins) {
  const std::string path = File(
      "# comment\n\nlisten = 0.0.0.0:1 # all\nqueue = a\nqueue = \" b # \\\"c\\\"\"\ncreate = "
      "false\n"
      "lease-time = 30s\nsize = 1GiB\n");
  EXPECT_EQ(Run({"--config", path.c_str(), "--lease-time", "5s"}), -1) << said;
  EXPECT_EQ(listen, "0.0.0.0:1");
  EXPECT_THAT(queues, ElementsAre("a", " b # \"c\""));
  EXPECT_FALSE(create);
  EXPECT_EQ(lease_ms, 5'000);
  EXPECT_EQ(size, 1 << 30);
}

TEST_F(Flags, UnknownConfigKeyNamesFileLineAndKey) {
  const std::string path = File("listen = :1\nlisen = :2\n");
  EXPECT_EQ(Run({"--config", path.c_str()}), kExitUsage);
  EXPECT_THAT(said, HasSubstr(path + ":2: unknown key 'lisen'"));
}

TEST_F(Flags, BadConfigLinesNameFileAndLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"listen\n", ":1: 'listen': write 'name = value'"},
      {"listen =\n", ":1: listen: write a value"},
      {"listen = \"x\n", ":1: listen: write a value"},
      {"slots = 1\nslots = 2\n", ":2: 'slots' was given in line 1 already"},
      {"lease-time = 5\n", ":1: --lease-time: '5' is not a duration"},
      {"create = maybe\n", ":1: "},
      {"help = true\n", ":1: unknown key 'help'"},
      {"[server]\n", ":1: '[server]'"},
  };
  for (const auto& [text, expected] : cases) {
    app->clear();
    const std::string path = File(text);
    EXPECT_EQ(Run({"--config", path.c_str()}), kExitUsage) << text;
    EXPECT_THAT(said, HasSubstr(path + expected));
  }
}

TEST_F(Flags, MissingConfigFileIsAnError) {
  EXPECT_EQ(Run({"--config", "/nonexistent/x.conf"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("'/nonexistent/x.conf'"));
}

TEST_F(Flags, AFolderIsNoConfigFile) {
  EXPECT_EQ(Run({"--config", "/"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--config: cannot read '/'"));
}

TEST_F(Flags, AddressesAreCheckedOnTheCommandLineAndInTheConfigFile) {
  std::string broker = "127.0.0.1:7733";
  AddAddress(*app, "--broker", broker, 1, "The broker.");
  EXPECT_EQ(Run({"--broker", "http://127.0.0.1:7733"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--broker: 'http://127.0.0.1:7733' is a URL"));
  EXPECT_EQ(Run({"--broker", ""}), kExitUsage);
  EXPECT_EQ(Run({"--config", File("broker = 127.0.0.1:73269\n").c_str()}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("from 1 to 65535"));
  EXPECT_EQ(Run({"--broker", "[::1]:7734"}), -1);
  EXPECT_EQ(broker, "[::1]:7734");
}

TEST_F(Flags, AnAddressThatMayBeNoneIsCheckedUnlessItIs) {
  std::string http = "127.0.0.1:7734";
  AddAddressOrNone(*app, "--http-listen", http, 0, "Where to serve.");
  EXPECT_EQ(Run({"--http-listen", "nowhere"}), kExitUsage);
  EXPECT_EQ(Run({"--http-listen="}), -1);
  EXPECT_EQ(http, "");
  EXPECT_EQ(Run({"--config", File("http-listen = 127.0.0.1:0\n").c_str()}), -1);
  EXPECT_EQ(http, "127.0.0.1:0");
  EXPECT_EQ(Run({"--config", File("http-listen = \"\"\n").c_str()}), -1);
  EXPECT_EQ(http, "");
}

TEST_F(Flags, BadValuesNameTheFlagAndTheBounds) {
  EXPECT_EQ(Run({"--lease-time", "2h"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--lease-time: '2h' is out of bounds: from 1s to 1m"));
  EXPECT_EQ(Run({"--size", "many"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--size: 'many' is not a size"));
  EXPECT_EQ(Run({"--slots", "-1"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--slots: '-1' is out of bounds: from 1 to 100"));
  EXPECT_EQ(Run({"--store", "tape"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("'tape' is not one of memory, rocksdb"));
  EXPECT_EQ(Run({"--what"}), kExitUsage);
  EXPECT_THAT(said, HasSubstr("--what"));
}

TEST_F(Flags, HelpShowsUnitsDefaultsAndExamples) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(said, HasSubstr("--lease-time DURATION"));
  EXPECT_THAT(said, HasSubstr("From 1s to 1m. Default: 15s."));
  EXPECT_THAT(said, HasSubstr("Default: 4MiB."));
  EXPECT_THAT(said, HasSubstr("Example: tool --size 1KiB"));
}

TEST_F(Flags, VersionPrintsIt) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(said, "tool " + Version() + "\n");
}

}  // namespace
}  // namespace treadle::program
