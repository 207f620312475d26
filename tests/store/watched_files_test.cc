#include "server/store/watched_files.h"

#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "gtest/gtest.h"
#include <sys/stat.h>

#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

constexpr off_t kMegabyte = 1 << 20;

class WatchedFilesTest : public ::testing::Test {
 protected:
  // A file of that size, open.
  int Make(const std::string& name, off_t bytes) {
    const int file = ::open((folder_ / name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT_GE(file, 0);
    EXPECT_EQ(::posix_fallocate(file, 0, bytes), 0);
    return file;
  }
  void Watch() {
    files_.Watch([](const rocksdb::Status&) {});
  }
  void Delete(const std::string& name) {
    const auto status = files_.DeleteFile(folder_ / name, rocksdb::IOOptions(), nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_NE(::access((folder_ / name).c_str(), F_OK), 0);
  }
  // And closes it.
  static off_t BytesOf(int file) {
    struct stat about {};
    EXPECT_EQ(::fstat(file, &about), 0);
    ::close(file);
    return about.st_size;
  }

  TempDirectory folder_;
  SyncedEnds ends_{folder_ / "SYNCED"};
  WatchedFiles files_{ends_, nullptr};
};

TEST_F(WatchedFilesTest, ADeletedFilesSpaceIsGivenBackInPieces) {
  const int large = Make("000001.log", 5 * kMegabyte + 1);
  const int small = Make("000002.log", kMegabyte);
  const int tiny = Make("000003.log", 1);
  Watch();
  Delete("000001.log");
  Delete("000002.log");
  Delete("000003.log");
  EXPECT_EQ(BytesOf(large), 1);
  EXPECT_EQ(BytesOf(small), kMegabyte);  // the last piece goes with the file
  EXPECT_EQ(BytesOf(tiny), 1);
}

TEST_F(WatchedFilesTest, ABackupsFileStaysWhole) {
  const int file = Make("000001.sst", 5 * kMegabyte);
  ASSERT_EQ(::link((folder_ / "000001.sst").c_str(), (folder_ / "backup.sst").c_str()), 0);
  Watch();
  Delete("000001.sst");
  EXPECT_EQ(BytesOf(file), 5 * kMegabyte);
}

TEST_F(WatchedFilesTest, AFileThatIsNotThereIsAnErrorAsBefore) {
  Watch();
  const auto status = files_.DeleteFile(folder_ / "000001.log", rocksdb::IOOptions(), nullptr);
  EXPECT_TRUE(status.IsPathNotFound() || status.IsIOError()) << status.ToString();
}

}  // namespace
}  // namespace treadle::store
