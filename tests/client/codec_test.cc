#include "treadle/codec.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "treadle/json_codec.h"
#include "treadle/task_type.h"
#include "treadle/v1/task.pb.h"

namespace treadle {

struct Loom {
  std::string name;
  int shafts = 0;
  bool operator==(const Loom&) const = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loom, name, shafts)

struct Shed {
  std::vector<Loom> looms;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Shed, looms)

// Whose from_json changes what it reads.
struct Percent {
  int value = 0;
};
inline void to_json(nlohmann::json& json, const Percent& percent) { json = percent.value; }
inline void from_json(const nlohmann::json& json, Percent& percent) {
  percent.value = std::min(json.get<int>(), 100);
}

// What a task's arguments and results may be.
static_assert(OwnsItsData<std::string>::value && OwnsItsData<std::vector<Loom>>::value &&
              OwnsItsData<std::map<std::string, std::vector<int>>>::value &&
              OwnsItsData<std::array<std::pair<int, bool>, 2>>::value &&
              OwnsItsData<v1::Progress>::value && OwnsItsData<nlohmann::json>::value &&
              OwnsItsData<void>::value && OwnsItsData<Bytes>::value);
static_assert(!OwnsItsData<std::string_view>::value && !OwnsItsData<absl::string_view>::value &&
              !OwnsItsData<const char*>::value && !OwnsItsData<std::span<int>>::value &&
              !OwnsItsData<std::span<const int, 3>>::value &&
              !OwnsItsData<absl::Span<int>>::value &&
              !OwnsItsData<std::vector<std::string_view>>::value &&
              !OwnsItsData<std::map<std::string, const char*>>::value &&
              !OwnsItsData<std::pair<int, std::string_view>>::value &&
              !OwnsItsData<std::array<const char*, 2>>::value &&
              !OwnsItsData<std::reference_wrapper<int>>::value);

namespace {

using ::testing::HasSubstr;

template <typename T>
void ExpectRoundTrip(const T& value, const std::string& bytes) {
  const absl::StatusOr<Payload> payload = Codec<T>::Encode(value);
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(payload->bytes, bytes);
  EXPECT_EQ(payload->content_type, "application/json");
  const absl::StatusOr<T> decoded = Codec<T>::Decode(payload->bytes, payload->content_type);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, value);
}

template <typename T>
absl::Status DecodeError(std::string_view bytes,
                         std::string_view content_type = "application/json") {
  return Codec<T>::Decode(bytes, content_type).status();
}

TEST(Codec, PlainValuesTravelAsJson) {
  ExpectRoundTrip<int64_t>(-42, "-42");
  ExpectRoundTrip<int64_t>(std::numeric_limits<int64_t>::min(), "-9223372036854775808");
  ExpectRoundTrip<uint64_t>(std::numeric_limits<uint64_t>::max(), "18446744073709551615");
  ExpectRoundTrip<int8_t>(7, "7");
  ExpectRoundTrip<bool>(true, "true");
  ExpectRoundTrip<double>(0.1, "0.1");
  ExpectRoundTrip<std::string>("wärp\n", "\"wärp\\n\"");
  ExpectRoundTrip<std::vector<int>>({1, 2}, "[1,2]");
  ExpectRoundTrip<std::map<std::string, int>>({{"a", 1}}, "{\"a\":1}");
}

TEST(Codec, StructsTravelAsJson) {
  ExpectRoundTrip<Loom>({"jack", 8}, "{\"name\":\"jack\",\"shafts\":8}");
}

TEST(Codec, MessagesTravelWithTheirName) {
  v1::Progress progress;
  progress.set_fraction(0.5);
  const absl::StatusOr<Payload> payload = Codec<v1::Progress>::Encode(progress);
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(payload->content_type, "application/x-protobuf; type=treadle.v1.Progress");
  EXPECT_EQ(Codec<v1::Progress>::Decode(payload->bytes, payload->content_type)->fraction(), 0.5);
  // Senders that do not name the message, or nothing at all.
  EXPECT_EQ(Codec<v1::Progress>::Decode(payload->bytes, "application/x-protobuf")->fraction(), 0.5);
  EXPECT_EQ(Codec<v1::Progress>::Decode(payload->bytes, "")->fraction(), 0.5);
}

TEST(Codec, AnotherMessageIsRefused) {
  const absl::Status status =
      DecodeError<v1::Progress>("", "application/x-protobuf; type=treadle.v1.Outcome");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("treadle.v1.Outcome"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("treadle.v1.Progress"));
}

TEST(Codec, BytesTravelAsTheyAre) {
  const std::string data("\0\xff{", 3);
  const absl::StatusOr<Payload> payload = Codec<Bytes>::Encode(Bytes(data));
  EXPECT_EQ(*payload, Payload(data, "application/octet-stream"));
  EXPECT_EQ(Codec<Bytes>::Decode(data, "image/png")->data, data);
  EXPECT_EQ(*Codec<Payload>::Decode(data, "image/png"), Payload(data, "image/png"));
}

TEST(Codec, AWrongContentTypeIsRefused) {
  EXPECT_EQ(DecodeError<int>("42", "text/plain").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<v1::Progress>("", "application/json").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<int>("42", "application/json ; charset=utf-8"), absl::OkStatus());
  EXPECT_EQ(DecodeError<int>("42", ""), absl::OkStatus());
}

TEST(Codec, BytesThatAreNotTheValueAreRefused) {
  EXPECT_EQ(DecodeError<int>("").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<int>("4x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<int>("\"4\"").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<int>("4.5").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<std::string>("4").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<Loom>("{\"name\":\"jack\"}").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeError<v1::Progress>("\xff\xff", "").code(), absl::StatusCode::kInvalidArgument);
}

TEST(Codec, IntegersThatDoNotFitAreRefusedRatherThanCut) {
  EXPECT_THAT(std::string(DecodeError<int8_t>("128").message()), HasSubstr("does not fit"));
  EXPECT_THAT(std::string(DecodeError<uint32_t>("-1").message()), HasSubstr("does not fit"));
  EXPECT_THAT(std::string(DecodeError<int64_t>("9223372036854775808").message()),
              HasSubstr("does not fit"));
}

TEST(Codec, IntegersInsideAreNotCutEither) {
  const std::vector<absl::Status> cut = {
      DecodeError<std::vector<int32_t>>("[1,5000000000]"),
      DecodeError<std::vector<int32_t>>("[1,3.7]"),
      DecodeError<std::vector<int32_t>>("[1,1e300]"),
      DecodeError<std::vector<uint8_t>>("[-1]"),
      DecodeError<std::vector<int64_t>>("[18446744073709551615]"),
      DecodeError<std::vector<uint64_t>>("[18446744073709551615,-1]"),
      DecodeError<std::set<int16_t>>("[70000,5,4464]"),
      DecodeError<std::map<std::string, int32_t>>(R"({"a":5000000000})"),
      DecodeError<std::map<int32_t, int32_t>>("[[2,1],[1,5000000000]]"),
      DecodeError<std::array<std::pair<std::string, int8_t>, 1>>(R"([["a",300]])"),
      DecodeError<std::vector<std::vector<int32_t>>>("[[1],[5000000000]]"),
      DecodeError<Loom>(R"({"name":"jack","shafts":5000000000})"),
      DecodeError<std::vector<Loom>>(R"([{"name":"jack","shafts":3.7}])"),
      DecodeError<Shed>(R"({"looms":[{"name":"jack","shafts":5000000000}]})"),
      DecodeError<char>("300"),
  };
  for (const absl::Status& status : cut) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("does not fit"));
  }
  using Two = std::tuple<int, std::vector<int32_t>>;
  EXPECT_EQ(DecodeArguments<Two>("[1,[5000000000]]", "application/json").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Codec, WhatFitsIsTakenInAnyOrderAndForm) {
  EXPECT_EQ(*Codec<std::set<int>>::Decode("[256,0,3,3]", ""), (std::set<int>{0, 3, 256}));
  EXPECT_EQ((*Codec<std::map<int, int>>::Decode("[[256,1],[0,257]]", ""))[0], 257);
  EXPECT_EQ(Codec<std::vector<int64_t>>::Decode("[3.0,-3]", "")->front(), 3);
  EXPECT_EQ(Codec<std::vector<double>>::Decode("[5000000000,3.7]", "")->back(), 3.7);
  EXPECT_EQ(Codec<Loom>::Decode(R"({"shafts":8,"more":5000000000,"name":"j"})", "")->shafts, 8);
  EXPECT_EQ(Codec<Percent>::Decode("150", "")->value, 100);
}

TEST(Codec, TextThatIsNotUtf8CannotBeEncoded) {
  const absl::Status status = Codec<std::string>::Encode("\xff").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(Codec, DeepNestingDoesNotOverflowTheStack) {
  EXPECT_EQ(DecodeError<int>(std::string(1'000'000, '[')).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Arguments, OneTravelsAsItself) {
  EXPECT_EQ(EncodeArguments(std::vector<int>{1, 2})->bytes, "[1,2]");
  EXPECT_EQ(std::get<0>(*DecodeArguments<std::tuple<int>>("5", "application/json")), 5);
}

TEST(Arguments, SeveralTravelAsAnArray) {
  const absl::StatusOr<Payload> payload =
      EncodeArguments(std::string("x"), int64_t{2}, Loom{"dobby", 24});
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(payload->bytes, "[\"x\",2,{\"name\":\"dobby\",\"shafts\":24}]");
  using Signature = TaskType<void(const std::string&, int64_t, const Loom&)>;
  const auto decoded = DecodeArguments<Signature::Arguments>(payload->bytes, payload->content_type);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, std::make_tuple(std::string("x"), int64_t{2}, Loom{"dobby", 24}));
}

TEST(Arguments, ACountThatIsWrongIsNamed) {
  const absl::Status status =
      DecodeArguments<std::tuple<int, int>>("[1,2,3]", "application/json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 arguments, got one of 3"));
  EXPECT_EQ((DecodeArguments<std::tuple<int, int>>("7", "").status().code()),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((DecodeArguments<std::tuple<int, int>>("[1,\"x\"]", "").status().code()),
            absl::StatusCode::kInvalidArgument);
}

TEST(Arguments, NoneIsNoBytes) {
  EXPECT_EQ(*EncodeArguments(), Payload());
  EXPECT_TRUE(DecodeArguments<std::tuple<>>("", "").ok());
  EXPECT_TRUE(DecodeArguments<std::tuple<>>("[]", "application/json").ok());
  EXPECT_FALSE(DecodeArguments<std::tuple<>>("[1]", "application/json").ok());
}

TEST(Results, VoidTakesAnything) {
  EXPECT_EQ(DecodeResult<void>("whatever", "text/plain"), absl::OkStatus());
}

}  // namespace
}  // namespace treadle
