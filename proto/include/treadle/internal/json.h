#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// JSON as the codec writes and reads it, without the library that stands behind it.

namespace treadle::internal {

// Appends one value to a text.
class JsonWriter {
 public:
  void Null() { Begin() += "null"; }
  void Bool(bool value) { Begin() += value ? "true" : "false"; }
  void Int(int64_t value);
  void Uint(uint64_t value);
  // NaN and the infinities, which JSON has not, are null.
  void Double(double value);
  // Fails when it is not UTF-8.
  void String(std::string_view value);
  // A value that is JSON already.
  void Text(std::string_view json) { Begin() += json; }

  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  // Its members are a Key and a value each.
  void BeginObject() { Open('{'); }
  void Key(std::string_view key);
  void EndObject() { Close('}'); }

  // The first error is the one that Finish returns.
  void Fail(absl::Status status) { status_.Update(status); }
  absl::StatusOr<std::string> Finish() &&;

 private:
  // With the comma that the next value wants.
  std::string& Begin() {
    if (wants_comma_) text_ += ',';
    wants_comma_ = true;
    return text_;
  }
  void Open(char bracket) {
    Begin() += bracket;
    wants_comma_ = false;
  }
  void Close(char bracket) {
    text_ += bracket;
    wants_comma_ = true;
  }

  std::string text_;
  bool wants_comma_ = false;
  absl::Status status_;
};

// A value inside a JsonDocument, which outlives it. Errors are INVALID_ARGUMENT.
class JsonValue {
 public:
  explicit JsonValue(const void* value) : value_(value) {}

  // For people: "array".
  std::string_view TypeName() const;
  bool IsNull() const;
  absl::StatusOr<bool> Bool() const;
  // Also a number with a fraction of 0. Refuses what does not fit.
  absl::StatusOr<int64_t> Int(int64_t min, int64_t max) const;
  absl::StatusOr<uint64_t> Uint(uint64_t max) const;
  absl::StatusOr<double> Double() const;
  absl::StatusOr<std::string> String() const;

  // How many elements an array has.
  absl::StatusOr<size_t> ArraySize() const;
  // Refuses all but an array of so many.
  absl::Status CheckArray(size_t size) const;
  // REQUIRES: it is an array, and has it.
  JsonValue Element(size_t index) const;

  // Calls `visit(key, value)` for the members of an object as long as it returns OK.
  template <typename Visit>
  absl::Status ForEachMember(Visit visit) const {
    return VisitMembers([](void* context, const std::string& key,
                           JsonValue value) { return (*static_cast<Visit*>(context))(key, value); },
                        &visit);
  }

  // An nlohmann::json.
  const void* get() const { return value_; }

 private:
  using Visitor = absl::Status (*)(void* context, const std::string& key, JsonValue value);
  absl::Status VisitMembers(Visitor visitor, void* context) const;

  const void* value_;
};

class JsonDocument {
 public:
  // INVALID_ARGUMENT: it is not JSON, or the content type says that it is something else.
  static absl::StatusOr<JsonDocument> Parse(std::string_view bytes, std::string_view content_type);

  JsonValue root() const { return JsonValue(document_.get()); }

 private:
  struct Delete {
    void operator()(void* document) const;
  };
  explicit JsonDocument(void* document) : document_(document) {}

  std::unique_ptr<void, Delete> document_;
};

}  // namespace treadle::internal
