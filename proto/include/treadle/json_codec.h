#pragma once

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "treadle/codec.h"

// Typed values through nlohmann/json: all that it knows beside codec.h's own types, sets and lists,
// enumerations, nlohmann::json itself, and structs of yours:
//
//   struct Loom { std::string name; int shafts = 0; };
//   NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loom, name, shafts)
//
// nlohmann cuts numbers to the size of the integers that it reads them into, in silence. Decoding
// refuses such values, also inside of containers and structs: it encodes what it has decoded, for
// types that can be, and compares.

namespace treadle::internal {

// INVALID_ARGUMENT: what nlohmann threw.
absl::Status EncodeFailed(const std::exception& error);
absl::Status DecodeFailed(const std::exception& error);
// INVALID_ARGUMENT: an integer in `read`, which was decoded from `given` and encoded again, is what
// a cut to its size leaves of the number there.
absl::Status CheckNothingCut(const nlohmann::json& given, const nlohmann::json& read);

// Has integers inside, as far as one can tell from outside, and can be encoded again.
template <typename T>
concept MayBeCut = !std::same_as<T, nlohmann::json> && requires(const T& value) {
  nlohmann::json(value);
};

template <typename T>
struct JsonByNlohmann {
  static void Write(JsonWriter& writer, const T& value) {
    try {
      writer.Text(nlohmann::json(value).dump());
    } catch (const std::exception& error) {
      writer.Fail(EncodeFailed(error));
    }
  }

  static absl::StatusOr<T> Read(JsonValue json) {
    const auto& given = *static_cast<const nlohmann::json*>(json.get());
    try {
      absl::StatusOr<T> value = given.get<T>();
      if constexpr (MayBeCut<T>) {
        absl::Status status = CheckNothingCut(given, nlohmann::json(*value));
        if (!status.ok()) return status;
      }
      return value;
    } catch (const std::exception& error) {
      return DecodeFailed(error);
    }
  }
};

}  // namespace treadle::internal
