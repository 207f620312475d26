#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nlohmann/json.hpp"

// How typed values become bytes. The content type travels with the bytes, and decoding checks it,
// so that a worker and a client that disagree learn it as INVALID_ARGUMENT, not as nonsense.
//
//   protobuf messages   "application/x-protobuf; type=package.Message"
//   Bytes               "application/octet-stream"; decodes whatever came
//   Payload             as it is, with its own content type
//   everything else     "application/json" through nlohmann: numbers, strings, vectors, maps, and
//                       structs with to_json/from_json (NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE)
//
// nlohmann cuts numbers to the size of the integers that it reads them into, in silence. Decoding
// refuses such values, also inside of containers and structs: it encodes what it has decoded, for
// types that can be, and compares.
//
// One argument travels as its own value, several as a JSON array of theirs (so each must be a JSON
// type), none as no bytes. An empty content type means that the sender did not say; it passes every
// check. Another encoding for a type T of yours: specialise treadle::Codec<T>.

namespace treadle {

inline constexpr std::string_view kJsonContentType = "application/json";
inline constexpr std::string_view kBytesContentType = "application/octet-stream";
inline constexpr std::string_view kProtobufContentType = "application/x-protobuf";

// Encoded bytes and what they are.
struct Payload {
  Payload() = default;
  Payload(std::string bytes_in, std::string_view content_type_in)
      : bytes(std::move(bytes_in)), content_type(content_type_in) {}
  bool operator==(const Payload&) const = default;

  std::string bytes;
  std::string content_type;
};

// A value that is nothing but bytes: they travel as they are.
struct Bytes {
  Bytes() = default;
  explicit Bytes(std::string data_in) : data(std::move(data_in)) {}
  bool operator==(const Bytes&) const = default;

  std::string data;
};

namespace codec_internal {

// `expected` names what the receiver wants, "application/json" say; parameters after ';' are not
// compared.
absl::Status CheckContentType(std::string_view content_type, std::string_view expected);
absl::StatusOr<nlohmann::json> ParseJson(std::string_view bytes, std::string_view content_type);
absl::StatusOr<std::string> DumpJson(const nlohmann::json& json);
absl::Status EncodeFailed(const std::exception& error);
absl::Status DecodeFailed(const std::exception& error);
absl::Status CheckArgumentCount(const nlohmann::json& array, size_t expected);
absl::Status CheckNoArguments(std::string_view bytes, std::string_view content_type);
absl::Status IntegerExpected(const nlohmann::json& json, bool in_range);
// INVALID_ARGUMENT: an integer in `read`, which was decoded from `given` and encoded again, is what
// a cut to its size leaves of the number there.
absl::Status CheckNothingCut(const nlohmann::json& given, const nlohmann::json& read);

absl::StatusOr<std::string> EncodeMessage(const google::protobuf::MessageLite& message);
std::string MessageContentType(const google::protobuf::MessageLite& message);
absl::Status DecodeMessage(std::string_view bytes, std::string_view content_type,
                           google::protobuf::MessageLite& message);

template <typename T, typename... Others>
concept OneOf = (std::same_as<T, Others> || ...);

template <typename T>
concept Integer = std::integral<T> && !OneOf<T, bool, char, wchar_t, char8_t, char16_t, char32_t>;

// Has integers inside, as far as one can tell from outside, and can be encoded again.
template <typename T>
concept MayBeCut = !Integer<T> && !std::floating_point<T> &&
                   !OneOf<T, bool, std::string, nlohmann::json> && requires(const T& value) {
  nlohmann::json(value);
};

template <typename T>
absl::StatusOr<T> FromJson(const nlohmann::json& json) {
  try {
    if constexpr (Integer<T>) {
      if (!json.is_number_integer()) return IntegerExpected(json, true);
      const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<uint64_t>())
                                                  : std::in_range<T>(json.get<int64_t>());
      if (!fits) return IntegerExpected(json, false);
    }
    absl::StatusOr<T> value = json.get<T>();
    if constexpr (MayBeCut<T>) {
      absl::Status status = CheckNothingCut(json, nlohmann::json(*value));
      if (!status.ok()) return status;
    }
    return value;
  } catch (const std::exception& error) {
    return DecodeFailed(error);
  }
}

}  // namespace codec_internal

// The primary template is JSON.
template <typename T>
struct Codec {
  static absl::StatusOr<Payload> Encode(const T& value) {
    if constexpr (codec_internal::Integer<T>) {
      return Payload(std::to_string(value), kJsonContentType);
    } else {
      try {
        absl::StatusOr<std::string> bytes = codec_internal::DumpJson(nlohmann::json(value));
        if (!bytes.ok()) return bytes.status();
        return Payload(*std::move(bytes), kJsonContentType);
      } catch (const std::exception& error) {
        return codec_internal::EncodeFailed(error);
      }
    }
  }

  static absl::StatusOr<T> Decode(std::string_view bytes, std::string_view content_type) {
    absl::StatusOr<nlohmann::json> json = codec_internal::ParseJson(bytes, content_type);
    if (!json.ok()) return json.status();
    return codec_internal::FromJson<T>(*json);
  }
};

template <std::derived_from<google::protobuf::MessageLite> T>
struct Codec<T> {
  static absl::StatusOr<Payload> Encode(const T& value) {
    absl::StatusOr<std::string> bytes = codec_internal::EncodeMessage(value);
    if (!bytes.ok()) return bytes.status();
    return Payload(*std::move(bytes), codec_internal::MessageContentType(value));
  }

  static absl::StatusOr<T> Decode(std::string_view bytes, std::string_view content_type) {
    T message;
    absl::Status status = codec_internal::DecodeMessage(bytes, content_type, message);
    if (!status.ok()) return status;
    return message;
  }
};

template <>
struct Codec<Bytes> {
  static absl::StatusOr<Payload> Encode(const Bytes& value) {
    return Payload(value.data, kBytesContentType);
  }
  static absl::StatusOr<Bytes> Decode(std::string_view bytes, std::string_view) {
    return Bytes(std::string(bytes));
  }
};

template <>
struct Codec<Payload> {
  static absl::StatusOr<Payload> Encode(const Payload& value) { return value; }
  static absl::StatusOr<Payload> Decode(std::string_view bytes, std::string_view content_type) {
    return Payload(std::string(bytes), content_type);
  }
};

// Types that can stand beside others in an argument list.
template <typename T>
concept JsonArgument = !std::derived_from<T, google::protobuf::MessageLite> &&
                       !std::same_as<T, Bytes> && !std::same_as<T, Payload>;

// A task's arguments: what the client sends.
template <typename... Args>
absl::StatusOr<Payload> EncodeArguments(const Args&... args) {
  if constexpr (sizeof...(Args) == 0) {
    return Payload();
  } else if constexpr (sizeof...(Args) == 1) {
    return Codec<Args...>::Encode(args...);
  } else {
    static_assert((JsonArgument<Args> && ...),
                  "several arguments travel as a JSON array: put messages and bytes in a single "
                  "argument of their own");
    try {
      nlohmann::json array = nlohmann::json::array();
      (array.push_back(nlohmann::json(args)), ...);
      absl::StatusOr<std::string> bytes = codec_internal::DumpJson(array);
      if (!bytes.ok()) return bytes.status();
      return Payload(*std::move(bytes), kJsonContentType);
    } catch (const std::exception& error) {
      return codec_internal::EncodeFailed(error);
    }
  }
}

// A task's arguments: what the worker gets. `Arguments` is TaskType::Arguments, a tuple of values.
template <typename Arguments>
struct ArgumentsDecoder;

template <typename... Args>
struct ArgumentsDecoder<std::tuple<Args...>> {
  static absl::StatusOr<std::tuple<Args...>> Decode(std::string_view bytes,
                                                    std::string_view content_type) {
    if constexpr (sizeof...(Args) == 0) {
      absl::Status status = codec_internal::CheckNoArguments(bytes, content_type);
      if (!status.ok()) return status;
      return std::tuple<>();
    } else if constexpr (sizeof...(Args) == 1) {
      auto value = Codec<Args...>::Decode(bytes, content_type);
      if (!value.ok()) return value.status();
      return std::tuple<Args...>(*std::move(value));
    } else {
      absl::StatusOr<nlohmann::json> array = codec_internal::ParseJson(bytes, content_type);
      if (!array.ok()) return array.status();
      absl::Status status = codec_internal::CheckArgumentCount(*array, sizeof...(Args));
      if (!status.ok()) return status;
      return FromArray(*array, std::index_sequence_for<Args...>());
    }
  }

 private:
  template <size_t... I>
  static absl::StatusOr<std::tuple<Args...>> FromArray(const nlohmann::json& array,
                                                       std::index_sequence<I...>) {
    std::tuple<absl::StatusOr<Args>...> values{codec_internal::FromJson<Args>(array[I])...};
    absl::Status status;
    (status.Update(std::get<I>(values).status()), ...);
    if (!status.ok()) return status;
    return std::tuple<Args...>(*std::move(std::get<I>(values))...);
  }
};

template <typename Arguments>
absl::StatusOr<Arguments> DecodeArguments(std::string_view bytes, std::string_view content_type) {
  return ArgumentsDecoder<Arguments>::Decode(bytes, content_type);
}

// A handler's result: what the worker sends. A `void` result is no bytes: Payload().
template <typename R>
absl::StatusOr<Payload> EncodeResult(const R& value) {
  return Codec<R>::Encode(value);
}

// A task's result: what the client gets. absl::Status for `void`: OK whatever the bytes are.
template <typename R>
using ResultOf = std::conditional_t<std::is_void_v<R>, absl::Status, absl::StatusOr<R>>;

template <typename R>
ResultOf<R> DecodeResult(std::string_view bytes, std::string_view content_type) {
  if constexpr (std::is_void_v<R>) {
    return absl::OkStatus();
  } else {
    return Codec<R>::Decode(bytes, content_type);
  }
}

}  // namespace treadle
