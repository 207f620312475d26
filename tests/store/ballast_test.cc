#include "server/store/ballast.h"

#include <filesystem>

#include "gtest/gtest.h"

#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

constexpr int64_t kBytes = 100'000;
constexpr int64_t kReleaseBelow = 1'000'000;

class BallastTest : public ::testing::Test {
 protected:
  bool FileExists() const { return std::filesystem::exists(path_); }

  const TempDirectory directory_;
  const std::string path_ = directory_ / "BALLAST";
};

TEST_F(BallastTest, TakenWithPlentyGivenBackWhenShort) {
  Ballast ballast(path_, kBytes);
  EXPECT_FALSE(ballast.held());
  ballast.Adjust(kReleaseBelow + 3 * kBytes + 1, kReleaseBelow);
  EXPECT_TRUE(ballast.held());
  EXPECT_EQ(std::filesystem::file_size(path_), static_cast<uintmax_t>(kBytes));
  ballast.Adjust(kReleaseBelow, kReleaseBelow);
  EXPECT_TRUE(ballast.held());
  ballast.Adjust(kReleaseBelow - 1, kReleaseBelow);
  EXPECT_FALSE(ballast.held());
  EXPECT_FALSE(FileExists());
}

// What it gave back does not make it come back.
TEST_F(BallastTest, DoesNotFlap) {
  Ballast ballast(path_, kBytes);
  ballast.Adjust(kReleaseBelow - 1 + kBytes, kReleaseBelow);
  EXPECT_FALSE(ballast.held());
  ballast.Adjust(kReleaseBelow + 3 * kBytes, kReleaseBelow);
  EXPECT_FALSE(ballast.held());
}

TEST_F(BallastTest, OneFromAnEarlierRunIsKept) {
  Ballast(path_, kBytes).Adjust(INT64_MAX, kReleaseBelow);
  Ballast ballast(path_, kBytes);
  EXPECT_TRUE(ballast.held());
  ballast.Adjust(0, kReleaseBelow);
  EXPECT_FALSE(FileExists());
}

TEST_F(BallastTest, OneOfAnotherSizeIsMadeAnew) {
  Ballast(path_, kBytes).Adjust(INT64_MAX, kReleaseBelow);
  Ballast ballast(path_, 2 * kBytes);
  EXPECT_FALSE(ballast.held());
  ballast.Adjust(INT64_MAX, kReleaseBelow);
  EXPECT_EQ(std::filesystem::file_size(path_), static_cast<uintmax_t>(2 * kBytes));
}

TEST_F(BallastTest, NoneWhenNotWanted) {
  Ballast ballast(path_, 0);
  ballast.Adjust(INT64_MAX, kReleaseBelow);
  EXPECT_FALSE(ballast.held());
  EXPECT_FALSE(FileExists());
}

TEST_F(BallastTest, NoneWhereThereIsNoRoom) {
  Ballast ballast(path_, int64_t{1} << 60);
  ballast.Adjust(INT64_MAX, 0);
  EXPECT_FALSE(ballast.held());
  EXPECT_FALSE(FileExists());
}

}  // namespace
}  // namespace treadle::store
