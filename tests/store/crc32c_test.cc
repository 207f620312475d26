#include "server/store/crc32c.h"

#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::store {
namespace {

using ExtendFunction = uint32_t (*)(uint32_t crc, const char* data, size_t size);

constexpr char kExtend[] = "_ZN7rocksdb6crc32c6ExtendEjPKcm";

// RFC 3720, B.4.
TEST(Crc32c, KnownValues) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, RocksDbCallsOursWhichGivesWhatItsOwnWould) {
  // What libraries find under the name that they call.
  const auto called = reinterpret_cast<ExtendFunction>(::dlsym(RTLD_DEFAULT, kExtend));
  ASSERT_NE(called, nullptr);
  Dl_info from{};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(called), &from), 0);
  EXPECT_THAT(from.dli_fname, ::testing::EndsWith("store_test"));

  void* const rocksdb = ::dlopen("librocksdb.so.7.8", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(rocksdb, nullptr) << ::dlerror();
  const auto theirs = reinterpret_cast<ExtendFunction>(::dlsym(rocksdb, kExtend));
  ASSERT_NE(theirs, nullptr);
  ASSERT_NE(theirs, called);
  std::string bytes;
  for (uint32_t i = 0; i < 5'000; ++i) bytes.push_back(static_cast<char>(i * i / 7));
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 3) {
    for (const size_t begin : {size_t{0}, size / 7, size / 2}) {
      const uint32_t before = theirs(0, bytes.data(), begin);
      EXPECT_EQ(called(before, bytes.data() + begin, size - begin), theirs(0, bytes.data(), size));
    }
  }
  ::dlclose(rocksdb);
}

}  // namespace
}  // namespace treadle::store
