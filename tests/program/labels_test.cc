#include "proto/program/labels.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::program {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Labels, AreKeysAndValues) {
  const auto labels = ReadLabels({"zone=a", "disk=", "image=a=b", "zone=c"});
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_THAT(*labels, ElementsAre(Pair("disk", ""), Pair("image", "a=b"), Pair("zone", "c")));
}

TEST(Labels, WhatIsNoPairIsNamed) {
  EXPECT_EQ(ReadLabels({"zone"}).status().message(), "--label zone: write KEY=VALUE, as in zone=a");
  EXPECT_EQ(ReadLabels({"=a\x1b"}).status().message(),
            "--label =a\\x1b: write KEY=VALUE, as in zone=a");
}

}  // namespace
}  // namespace treadle::program
