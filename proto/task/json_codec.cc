#include "treadle/json_codec.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace treadle::internal {
namespace {

bool IsNegative(const nlohmann::json& integer) {
  return !integer.is_number_unsigned() && integer.get<int64_t>() < 0;
}

uint64_t Bits(const nlohmann::json& integer) {
  return integer.is_number_unsigned() ? integer.get<uint64_t>()
                                      : static_cast<uint64_t>(integer.get<int64_t>());
}

// nlohmann takes -1 and 2^64 - 1 for the same.
bool SameNumber(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.is_number_float()) return given.get<double>() == read.get<double>();
  return IsNegative(given) == IsNegative(read) && Bits(given) == Bits(read);
}

// A from_json of someone's own may change numbers on purpose, round or clamp them: only what a cast
// to an integer type makes of a number that does not fit counts. Casts keep at least the lowest
// byte.
bool IsCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (SameNumber(given, read)) return false;
  if (!given.is_number_float()) return ((Bits(given) ^ Bits(read)) & 0xff) == 0;
  constexpr double kInt32 = 2147483648.0;
  const auto number = given.get<double>();
  return std::trunc(number) == read.get<double>() || std::abs(number) >= kInt32;
}

// Those of `array` that `others` has not, as often as it has them.
std::vector<const nlohmann::json*> Without(const nlohmann::json& array,
                                           const nlohmann::json& others) {
  std::vector<const nlohmann::json*> left;
  std::multiset<std::string> rest;
  for (const nlohmann::json& each : others) rest.insert(each.dump());
  for (const nlohmann::json& each : array) {
    if (const auto found = rest.find(each.dump()); found != rest.end()) {
      rest.erase(found);
    } else {
      left.push_back(&each);
    }
  }
  return left;
}

const nlohmann::json* FindCut(const nlohmann::json& given, const nlohmann::json& read);

// Sets and maps may have another order, and sets fewer elements. What differs is in the order that
// both have in common.
const nlohmann::json* FindCutInArray(const nlohmann::json& given, const nlohmann::json& read) {
  const std::vector<const nlohmann::json*> missing = Without(given, read);
  const std::vector<const nlohmann::json*> added = Without(read, given);
  // A set leaves out as many as it was given twice: they are looked up, not searched for.
  std::set<std::string> there;
  if (missing.size() > added.size()) {
    for (const nlohmann::json& each : read) there.insert(each.dump());
  }
  for (size_t i = 0; i < missing.size(); ++i) {
    if (i < added.size()) {
      if (const nlohmann::json* const cut = FindCut(*missing[i], *added[i])) return cut;
      continue;
    }
    // It may have become equal to another.
    const auto became = [&](const nlohmann::json& each) {
      return FindCut(*missing[i], each) != nullptr;
    };
    const bool is_there = there.contains(missing[i]->dump());
    if (!is_there && std::any_of(read.begin(), read.end(), became)) return missing[i];
  }
  return nullptr;
}

// The number that was cut; null: none was.
const nlohmann::json* FindCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.is_number() && read.is_number_integer()) return IsCut(given, read) ? &given : nullptr;
  if (given.is_array() && read.is_array()) return FindCutInArray(given, read);
  if (!given.is_object() || !read.is_object()) return nullptr;
  for (auto each = read.begin(); each != read.end(); ++each) {
    const auto found = given.find(each.key());
    if (found == given.end()) continue;
    if (const nlohmann::json* const cut = FindCut(*found, *each)) return cut;
  }
  return nullptr;
}

}  // namespace

absl::Status EncodeFailed(const std::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("value cannot be encoded as JSON: ", error.what()));
}

absl::Status DecodeFailed(const std::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("bytes are not the JSON that the task type expects: ", error.what()));
}

absl::Status CheckNothingCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.dump() == read.dump()) return absl::OkStatus();
  const nlohmann::json* const cut = FindCut(given, read);
  if (cut == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the JSON number ", cut->dump(), " does not fit the C++ type that the task type names"));
}

}  // namespace treadle::internal
