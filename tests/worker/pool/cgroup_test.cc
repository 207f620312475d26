#include "worker/pool/process/cgroup.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/process/process_pool.h"

namespace treadle::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

constexpr int64_t kMemory = int64_t{256} << 20;

// A folder that stands for the system's cgroups, seen from inside a container.
class FakeCgroups {
 public:
  FakeCgroups() {
    std::string name = (fs::temp_directory_path() / "treadle-cgroups-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    Write("self", "5:memory:/elsewhere\n0::/\n");
    Write("cgroup.controllers", "cpu io memory pids\n");
    Write("cgroup.subtree_control", "");
    Write("cgroup.type", "domain\n");
  }
  ~FakeCgroups() { fs::remove_all(root_); }

  CgroupPlaces places() const {
    CgroupPlaces places;
    places.root = root_;
    places.self = root_ / "self";
    return places;
  }
  const fs::path& root() const { return root_; }
  void Write(const fs::path& file, const std::string& text) const {
    std::ofstream(root_ / file) << text;
  }
  std::string Read(const fs::path& file) const {
    std::ifstream stream(root_ / file);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  // The names of the children's.
  std::vector<std::string> children() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) {
      const std::string name = entry.path().filename();
      if (name.rfind("treadle-child-", 0) == 0) names.push_back(name);
    }
    return names;
  }

 private:
  fs::path root_;
};

std::string WhyNone(const FakeCgroups& cgroups) {
  const auto found = CgroupTree::Find(cgroups.places(), "loom");
  EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition);
  return std::string(found.status().message());
}

TEST(Cgroup, AHostWithoutIsToldApart) {
  const FakeCgroups cgroups;
  cgroups.Write("self", "5:memory:/elsewhere\n");
  EXPECT_EQ(WhyNone(cgroups), "this system has no cgroup v2");
  cgroups.Write("self", "0::/\n");
  fs::remove(cgroups.root() / "cgroup.controllers");
  EXPECT_EQ(WhyNone(cgroups), "this system has no cgroup v2");
  cgroups.Write("cgroup.controllers", "cpu io pids\n");
  EXPECT_THAT(WhyNone(cgroups), HasSubstr("has no memory controller"));
}

TEST(Cgroup, WhatWasNotDelegatedIsLeftAlone) {
  const FakeCgroups cgroups;
  cgroups.Write("self", "0::/user.slice/shell.scope\n");
  fs::create_directories(cgroups.root() / "user.slice/shell.scope");
  EXPECT_THAT(WhyNone(cgroups), HasSubstr("was not delegated (systemd: Delegate=memory)"));
  EXPECT_TRUE(fs::is_empty(cgroups.root() / "user.slice/shell.scope"));
  cgroups.Write("self", "0::/\n");
  fs::remove(cgroups.root() / "cgroup.type");  // the whole machine's
  EXPECT_THAT(WhyNone(cgroups), HasSubstr("was not delegated"));
}

TEST(Cgroup, ThisProcessMakesRoomAndEachChildHasItsBound) {
  const FakeCgroups cgroups;
  const std::string pid = std::to_string(::getpid());
  const auto tree = CgroupTree::Find(cgroups.places(), "loom");
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(cgroups.Read("treadle-worker-" + pid + "/cgroup.procs"), pid);
  EXPECT_EQ(cgroups.Read("cgroup.subtree_control"), "+memory");
  // Another pool of this process finds the same.
  cgroups.Write("self", "0::/treadle-worker-" + pid + "\n");
  const auto again = CgroupTree::Find(cgroups.places(), "twin");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->folder(), (*tree)->folder());

  auto cgroup = (*tree)->Make(kMemory);
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  EXPECT_TRUE((*cgroup)->Enter(4711));
  const fs::path child = "treadle-child-" + pid + "-loom-1";
  const auto other = (*again)->Make(kMemory / 2);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(cgroups.Read("treadle-child-" + pid + "-twin-1/memory.max"),
            std::to_string(kMemory / 2));
  EXPECT_EQ(cgroups.Read(child / "memory.max"), std::to_string(kMemory));
  EXPECT_EQ(cgroups.Read(child / "memory.oom.group"), "1");
  EXPECT_EQ(cgroups.Read(child / "cgroup.procs"), "4711");
  EXPECT_FALSE((*cgroup)->out_of_memory());
  cgroups.Write(child / "memory.events", "max 3\noom 0\noom_kill 0\noom_group_kill 0\n");
  EXPECT_FALSE((*cgroup)->out_of_memory());
  cgroups.Write(child / "memory.events", "max 3\noom 1\noom_kill 2\n");
  EXPECT_TRUE((*cgroup)->out_of_memory());
  cgroup->reset();
  EXPECT_EQ(cgroups.Read(child / "cgroup.kill"), "1") << "nothing may go on in it";
}

TEST(Cgroup, WhatCannotBeRemovedYetIsRemovedLater) {
  const FakeCgroups cgroups;
  const auto tree = CgroupTree::Find(cgroups.places(), "loom");
  ASSERT_TRUE(tree.ok()) << tree.status();
  (*tree)->Make(kMemory)->reset();
  ASSERT_EQ(cgroups.children().size(), 1u);
  // Here its files are in the way; in the system's folder what has just been killed is.
  const fs::path first = cgroups.root() / cgroups.children()[0];
  for (const auto& file : fs::directory_iterator(first)) fs::remove(file);
  const auto second = (*tree)->Make(kMemory);
  EXPECT_FALSE(fs::exists(first));
  EXPECT_EQ(cgroups.children().size(), 1u);
}

class CgroupPoolTest : public ::testing::Test {
 protected:
  CgroupPoolTest() { AddStageHandlers(*handlers_, stage_); }

  AttemptResult Run(const std::string& type, const std::string& payload = "") {
    std::vector<AttemptPtr> attempts = {NewAttempt(++token_, type, payload)};
    const size_t before = events_->ended().size();
    EXPECT_EQ(pool_->Submit(attempts), 1);
    EXPECT_TRUE(events_->WaitForEnded(before + 1));
    return events_->result(token_);
  }
  absl::Status Start(const CgroupPlaces& places, int64_t memory_bytes_max = kMemory) {
    ProcessPoolOptions options;
    options.memory_bytes_max = memory_bytes_max;
    options.cgroups = places;
    options.child_key = "loom";
    auto pool = ProcessPool::Start(std::move(options), handlers_, events_);
    if (pool.ok()) pool_ = *std::move(pool);
    return pool.status();
  }

  const std::shared_ptr<Stage> stage_ = Stage::New();
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
  std::unique_ptr<ProcessPool> pool_;
  uint64_t token_ = 0;
};

TEST_F(CgroupPoolTest, AChildThatTheSystemEndsForItsMemorySaysSo) {
  const FakeCgroups cgroups;
  ASSERT_TRUE(Start(cgroups.places()).ok());
  EXPECT_EQ(pool_->memory_bound(), "cgroup v2 " + cgroups.root().string());
  const AttemptResult result = Run("die_of_memory", cgroups.root());
  EXPECT_EQ(result.error_type, "Signal");
  EXPECT_THAT(result.error_message,
              AllOf(HasSubstr("was ended by SIGKILL"),
                    HasSubstr("it needed more than its memory limit of 268435456 bytes")));
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded) << "by another child";
  EXPECT_THAT(Run("kill").error_message, HasSubstr("SIGKILL, which this worker did not send"))
      << "which has not run out of memory";
  pool_.reset();
}

TEST_F(CgroupPoolTest, WhereNoCgroupCanBeMadeChildrenBoundThemselves) {
  const FakeCgroups cgroups;
  // No file can be where a folder is.
  const std::string name = "treadle-child-" + std::to_string(::getpid()) + "-loom-1";
  fs::create_directories(cgroups.root() / name / "memory.max");
  // As much as a sanitizer may want.
  ASSERT_TRUE(Start(cgroups.places(), int64_t{1} << 60).ok());
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
  ASSERT_EQ(events_->warnings().size(), 1u);
  EXPECT_THAT(events_->warnings()[0],
              AllOf(HasSubstr("cannot be made"), HasSubstr("by RLIMIT_DATA")));
}

TEST_F(CgroupPoolTest, OnAHostThatDelegatesMemoryIsBoundedByTheSystem) {
  const auto found = CgroupTree::Find(CgroupPlaces(), "loom");
  if (!found.ok()) GTEST_SKIP() << found.status().message();
  ASSERT_TRUE(Start(CgroupPlaces()).ok());
  const AttemptResult result = Run("hog");
  EXPECT_EQ(result.error_type, "Signal");
  EXPECT_THAT(result.error_message, HasSubstr("more than its memory limit"));
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
}

}  // namespace
}  // namespace treadle::worker
