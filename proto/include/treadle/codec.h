#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/internal/json.h"

namespace google::protobuf {
class MessageLite;
}

// How typed values become bytes. The content type travels with the bytes, and decoding checks it,
// so that a worker and a client that disagree learn it as INVALID_ARGUMENT, not as nonsense.
//
//   protobuf messages   "application/x-protobuf; type=package.Message"
//   Bytes               "application/octet-stream"; decodes whatever came
//   Payload             as it is, with its own content type
//   everything else     "application/json": numbers, bool, std::string, and std::vector, array,
//                       optional, pair, tuple and map (by strings) of these. What nlohmann/json
//                       knows beside them, structs of yours with NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE
//                       above all: include treadle/json_codec.h
//
// A number that does not fit the integer that it is to become is refused, wherever it stands.
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

namespace internal {

// `expected` names what the receiver wants, "application/json" say; parameters after ';' are not
// compared.
absl::Status CheckContentType(std::string_view content_type, std::string_view expected);
absl::Status CheckArgumentCount(JsonValue array, size_t expected);
absl::Status CheckNoArguments(std::string_view bytes, std::string_view content_type);

absl::StatusOr<std::string> EncodeMessage(const google::protobuf::MessageLite& message);
std::string MessageContentType(const google::protobuf::MessageLite& message);
absl::Status DecodeMessage(std::string_view bytes, std::string_view content_type,
                           google::protobuf::MessageLite& message);

// How T is written and read as JSON: the types that everybody has are below.
//
// The compiler says "incomplete type" of this? Include treadle/json_codec.h, which has it for all
// that nlohmann/json knows, or specialise Codec<T>.
template <typename T>
struct JsonByNlohmann;

// Whether T is one of the types below, through and through.
template <typename T>
inline constexpr bool kIsPlain = std::is_arithmetic_v<T> || std::is_same_v<T, std::string>;
template <typename T>
inline constexpr bool kIsPlain<std::vector<T>> = kIsPlain<T>;
template <typename T, size_t kSize>
inline constexpr bool kIsPlain<std::array<T, kSize>> = kIsPlain<T>;
template <typename T>
inline constexpr bool kIsPlain<std::optional<T>> = kIsPlain<T>;
template <typename... T>
inline constexpr bool kIsPlain<std::tuple<T...>> = (kIsPlain<T> && ...);
template <typename A, typename B>
inline constexpr bool kIsPlain<std::pair<A, B>> = kIsPlain<A>&& kIsPlain<B>;
template <typename T, typename Compare>
inline constexpr bool kIsPlain<std::map<std::string, T, Compare>> = kIsPlain<T>;

template <typename T>
struct Json;

template <typename T>
void WriteJson(JsonWriter& writer, const T& value) {
  if constexpr (kIsPlain<T>) {
    Json<T>::Write(writer, value);
  } else {
    JsonByNlohmann<T>::Write(writer, value);
  }
}

template <typename T>
absl::StatusOr<T> ReadJson(JsonValue json) {
  if constexpr (kIsPlain<T>) {
    return Json<T>::Read(json);
  } else {
    return JsonByNlohmann<T>::Read(json);
  }
}

template <>
struct Json<bool> {
  static void Write(JsonWriter& writer, bool value) { writer.Bool(value); }
  static absl::StatusOr<bool> Read(JsonValue json) { return json.Bool(); }
};

template <std::integral T>
struct Json<T> {
  using Limits = std::numeric_limits<T>;
  static void Write(JsonWriter& writer, T value) {
    if constexpr (std::is_signed_v<T>) {
      writer.Int(value);
    } else {
      writer.Uint(value);
    }
  }
  static absl::StatusOr<T> Read(JsonValue json) {
    if constexpr (std::is_signed_v<T>) {
      return Cast(json.Int(Limits::min(), Limits::max()));
    } else {
      return Cast(json.Uint(Limits::max()));
    }
  }

 private:
  template <typename Wide>
  static absl::StatusOr<T> Cast(absl::StatusOr<Wide> value) {
    if (!value.ok()) return std::move(value).status();
    return static_cast<T>(*value);
  }
};

template <std::floating_point T>
struct Json<T> {
  static void Write(JsonWriter& writer, T value) { writer.Double(static_cast<double>(value)); }
  static absl::StatusOr<T> Read(JsonValue json) {
    absl::StatusOr<double> value = json.Double();
    if (!value.ok()) return std::move(value).status();
    return static_cast<T>(*value);
  }
};

template <>
struct Json<std::string> {
  static void Write(JsonWriter& writer, const std::string& value) { writer.String(value); }
  static absl::StatusOr<std::string> Read(JsonValue json) { return json.String(); }
};

template <typename Elements>
void WriteArray(JsonWriter& writer, const Elements& elements) {
  writer.BeginArray();
  for (const auto& each : elements) WriteJson<typename Elements::value_type>(writer, each);
  writer.EndArray();
}

template <typename T>
struct Json<std::vector<T>> {
  static void Write(JsonWriter& writer, const std::vector<T>& values) {
    WriteArray(writer, values);
  }
  static absl::StatusOr<std::vector<T>> Read(JsonValue json) {
    const absl::StatusOr<size_t> size = json.ArraySize();
    if (!size.ok()) return size.status();
    std::vector<T> values;
    values.reserve(*size);
    for (size_t i = 0; i < *size; ++i) {
      absl::StatusOr<T> value = ReadJson<T>(json.Element(i));
      if (!value.ok()) return std::move(value).status();
      values.push_back(*std::move(value));
    }
    return values;
  }
};

template <typename T, size_t kSize>
struct Json<std::array<T, kSize>> {
  static void Write(JsonWriter& writer, const std::array<T, kSize>& values) {
    WriteArray(writer, values);
  }
  static absl::StatusOr<std::array<T, kSize>> Read(JsonValue json) {
    absl::Status status = json.CheckArray(kSize);
    if (!status.ok()) return status;
    std::array<T, kSize> values{};
    for (size_t i = 0; i < kSize; ++i) {
      absl::StatusOr<T> value = ReadJson<T>(json.Element(i));
      if (!value.ok()) return std::move(value).status();
      values[i] = *std::move(value);
    }
    return values;
  }
};

// None is null.
template <typename T>
struct Json<std::optional<T>> {
  static void Write(JsonWriter& writer, const std::optional<T>& value) {
    if (!value.has_value()) return writer.Null();
    WriteJson<T>(writer, *value);
  }
  static absl::StatusOr<std::optional<T>> Read(JsonValue json) {
    if (json.IsNull()) return std::optional<T>();
    absl::StatusOr<T> value = ReadJson<T>(json);
    if (!value.ok()) return std::move(value).status();
    return std::optional<T>(*std::move(value));
  }
};

// Also a task's arguments, which need not be plain.
template <typename... T>
struct Json<std::tuple<T...>> {
  static void Write(JsonWriter& writer, const std::tuple<T...>& values) {
    std::apply([&](const T&... value) { WriteElements(writer, value...); }, values);
  }
  static void WriteElements(JsonWriter& writer, const T&... values) {
    writer.BeginArray();
    (WriteJson<T>(writer, values), ...);
    writer.EndArray();
  }
  static absl::StatusOr<std::tuple<T...>> Read(JsonValue json) {
    absl::Status status = json.CheckArray(sizeof...(T));
    if (!status.ok()) return status;
    return ReadElements(json, std::index_sequence_for<T...>());
  }
  // REQUIRES: an array of as many.
  template <size_t... I>
  static absl::StatusOr<std::tuple<T...>> ReadElements(JsonValue json, std::index_sequence<I...>) {
    std::tuple<absl::StatusOr<T>...> values{ReadJson<T>(json.Element(I))...};
    absl::Status status;
    (status.Update(std::get<I>(values).status()), ...);
    if (!status.ok()) return status;
    return std::tuple<T...>(*std::move(std::get<I>(values))...);
  }
};

template <typename A, typename B>
struct Json<std::pair<A, B>> {
  static void Write(JsonWriter& writer, const std::pair<A, B>& values) {
    Json<std::tuple<A, B>>::WriteElements(writer, values.first, values.second);
  }
  static absl::StatusOr<std::pair<A, B>> Read(JsonValue json) {
    absl::StatusOr<std::tuple<A, B>> values = Json<std::tuple<A, B>>::Read(json);
    if (!values.ok()) return std::move(values).status();
    return std::make_from_tuple<std::pair<A, B>>(*std::move(values));
  }
};

template <typename T, typename Compare>
struct Json<std::map<std::string, T, Compare>> {
  using Map = std::map<std::string, T, Compare>;
  static void Write(JsonWriter& writer, const Map& values) {
    writer.BeginObject();
    for (const auto& [key, value] : values) {
      writer.Key(key);
      WriteJson<T>(writer, value);
    }
    writer.EndObject();
  }
  static absl::StatusOr<Map> Read(JsonValue json) {
    Map values;
    absl::Status status = json.ForEachMember([&](const std::string& key, JsonValue member) {
      absl::StatusOr<T> value = ReadJson<T>(member);
      if (value.ok()) values.insert_or_assign(key, *std::move(value));
      return value.status();
    });
    if (!status.ok()) return status;
    return values;
  }
};

inline absl::StatusOr<Payload> FinishJson(JsonWriter writer) {
  absl::StatusOr<std::string> text = std::move(writer).Finish();
  if (!text.ok()) return std::move(text).status();
  return Payload(*std::move(text), kJsonContentType);
}

}  // namespace internal

// The primary template is JSON.
template <typename T>
struct Codec {
  static absl::StatusOr<Payload> Encode(const T& value) {
    internal::JsonWriter writer;
    internal::WriteJson<T>(writer, value);
    return internal::FinishJson(std::move(writer));
  }

  static absl::StatusOr<T> Decode(std::string_view bytes, std::string_view content_type) {
    const absl::StatusOr<internal::JsonDocument> document =
        internal::JsonDocument::Parse(bytes, content_type);
    if (!document.ok()) return document.status();
    return internal::ReadJson<T>(document->root());
  }
};

template <std::derived_from<google::protobuf::MessageLite> T>
struct Codec<T> {
  static absl::StatusOr<Payload> Encode(const T& value) {
    absl::StatusOr<std::string> bytes = internal::EncodeMessage(value);
    if (!bytes.ok()) return bytes.status();
    return Payload(*std::move(bytes), internal::MessageContentType(value));
  }

  static absl::StatusOr<T> Decode(std::string_view bytes, std::string_view content_type) {
    T message;
    absl::Status status = internal::DecodeMessage(bytes, content_type, message);
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
    internal::JsonWriter writer;
    internal::Json<std::tuple<Args...>>::WriteElements(writer, args...);
    return internal::FinishJson(std::move(writer));
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
      absl::Status status = internal::CheckNoArguments(bytes, content_type);
      if (!status.ok()) return status;
      return std::tuple<>();
    } else if constexpr (sizeof...(Args) == 1) {
      auto value = Codec<Args...>::Decode(bytes, content_type);
      if (!value.ok()) return value.status();
      return std::tuple<Args...>(*std::move(value));
    } else {
      const absl::StatusOr<internal::JsonDocument> document =
          internal::JsonDocument::Parse(bytes, content_type);
      if (!document.ok()) return document.status();
      absl::Status status = internal::CheckArgumentCount(document->root(), sizeof...(Args));
      if (!status.ok()) return status;
      return internal::Json<std::tuple<Args...>>::ReadElements(document->root(),
                                                               std::index_sequence_for<Args...>());
    }
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
