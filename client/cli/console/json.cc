#include "client/cli/console/json.h"

#include <map>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include <google/protobuf/descriptor.h>

#include "proto/support/utf8.h"

namespace treadle::cli {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// What becomes of a message that is not set, and of the two names that bytes may have.
enum class Absent {
  kNull,
  // All its fields are there, and null, and a map is one text, "zone=a,rack=3": messages of a type
  // have the same fields.
  kSpelledOut
};

Json Convert(const Message& message, Absent absent);

// "RUNNING" of TASK_STATE_RUNNING; null for the value that says nothing.
Json EnumWord(const EnumDescriptor& type, int number) {
  const auto* const value = type.FindValueByNumber(number);
  if (value == nullptr) return number;  // of a newer broker
  if (number == 0) return nullptr;
  // The first value is PREFIX_UNSPECIFIED.
  const std::string& first = type.FindValueByNumber(0)->name();
  return value->name().substr(first.size() - std::string_view("UNSPECIFIED").size());
}

std::string Text(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }

std::string Rfc3339(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

// `index` -1: the field is not repeated.
Json Value(const Message& message, const FieldDescriptor& field, int index, Absent absent) {
  const Reflection& r = *message.GetReflection();
  const auto get = [&](auto single, auto repeated) -> Json {
    return index < 0 ? (r.*single)(message, &field) : (r.*repeated)(message, &field, index);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat);
    case FieldDescriptor::CPPTYPE_BOOL:
      return get(&Reflection::GetBool, &Reflection::GetRepeatedBool);
    case FieldDescriptor::CPPTYPE_STRING:
      return get(&Reflection::GetString, &Reflection::GetRepeatedString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumWord(*field.enum_type(), index < 0
                                              ? r.GetEnumValue(message, &field)
                                              : r.GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Convert(
          index < 0 ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index),
          absent);
  }
  return nullptr;
}

bool IsTime(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 && !field.is_repeated() &&
         (absl::EndsWith(field.name(), "_at_ms") || field.name() == "now_ms" ||
          field.name() == "time_ms");
}

void AddBytes(const std::string& name, const std::string& bytes, Absent absent, Json& json) {
  const bool text = IsUtf8(bytes);
  if (text || absent == Absent::kSpelledOut) json[name] = text ? Json(bytes) : Json();
  if (!text || absent == Absent::kSpelledOut) {
    json[name + "_base64"] = text ? Json() : Json(absl::Base64Escape(bytes));
  }
}

Json Repeated(const Message& message, const FieldDescriptor& field, Absent absent) {
  const int count = message.GetReflection()->FieldSize(message, &field);
  if (!field.is_map()) {
    Json list = Json::array();
    for (int i = 0; i < count; ++i) {
      list.push_back(Value(message, field, i, Absent::kNull));
    }
    return list;
  }
  std::map<std::string, Json> entries;  // a message has them in no order
  for (int i = 0; i < count; ++i) {
    const Json entry = Value(message, field, i, Absent::kNull);
    entries[Text(entry["key"])] = entry["value"];
  }
  if (absent == Absent::kNull) return entries;
  std::string text;
  for (const auto& [key, value] : entries) {
    text += (text.empty() ? "" : ",") + key + "=" + Text(value);
  }
  return text;
}

void AddField(const Message& message, const FieldDescriptor& field, Absent absent, Json& json) {
  const std::string& name = field.name();
  if (field.is_repeated()) {
    json[name] = Repeated(message, field, absent);
    return;
  }
  const bool set = !field.has_presence() || message.GetReflection()->HasField(message, &field);
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!set && !(is_message && absent == Absent::kSpelledOut)) {
    json[name] = nullptr;
    return;
  }
  const Json value = Value(message, field, -1, absent);
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    AddBytes(name, Text(value), absent, json);
    return;
  }
  json[name] = value;
  if (!IsTime(field)) return;
  const auto unix_ms = value.get<int64_t>();
  json[name.substr(0, name.size() - 3)] = unix_ms == 0 ? Json() : Json(Rfc3339(unix_ms));
}

Json Convert(const Message& message, Absent absent) {
  Json json = Json::object();
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) AddField(message, *type.field(i), absent, json);
  return json;
}

void Flatten(const std::string& path, const Json& value, Fields& fields) {
  if (value.is_object()) {
    for (const auto& [name, field] : value.items()) {
      Flatten(path.empty() ? name : path + "." + name, field, fields);
    }
    return;
  }
  std::string cell;
  if (value.is_string()) {
    cell = value.get<std::string>();
  } else if (!value.is_null()) {
    cell = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  fields.emplace_back(path, std::move(cell));
}

}  // namespace

std::string StateName(v1::TaskState state) {
  return Text(EnumWord(*v1::TaskState_descriptor(), state));
}
std::string DisciplineName(v1::Discipline discipline) {
  return Text(EnumWord(*v1::Discipline_descriptor(), discipline));
}
std::string DurabilityName(v1::Durability durability) {
  return Text(EnumWord(*v1::Durability_descriptor(), durability));
}
std::string ReasonName(v1::Reason reason) {
  return Text(EnumWord(*v1::Reason_descriptor(), reason));
}

Json ToJson(const Message& message) { return Convert(message, Absent::kNull); }

Json ToJson(const v1::Outcome& outcome) {
  Json json = Convert(outcome, Absent::kNull);
  if (outcome.state() != v1::TASK_STATE_SUCCEEDED) {
    json["result"] = nullptr;
    json["content_type"] = nullptr;
  }
  return json;
}

Fields ToFields(const Message& message) { return ToFields(Convert(message, Absent::kSpelledOut)); }

Fields ToFields(const Json& object) {
  Fields fields;
  Flatten("", object, fields);
  return fields;
}

void AddResult(const std::string& bytes, const std::string& content_type, Json& json) {
  AddBytes("result", bytes, Absent::kNull, json);
  if (!content_type.empty()) json["content_type"] = content_type;
}

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string Document(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) line += ',';
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      line += cell;
      continue;
    }
    line += '"';
    for (const char c : cell) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line + '\n';
}

}  // namespace treadle::cli
