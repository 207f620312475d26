#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include <google/protobuf/descriptor.h>

namespace treadle::bridge {

// What a method of the API does to the broker's tasks, queues and workers.
enum class Effect : uint8_t { kReads, kChanges };

struct Method {
  std::string_view name;  // "treadle.v1.QueueService/ListQueues"
  Effect effect;
};

// Every method, by name; tests/bridge checks that none is missing.
absl::Span<const Method> AllMethods();

// Absent in the list is one that changes something.
Effect EffectOf(std::string_view name);

// By its name. Null: there is none of treadle.v1.
const google::protobuf::MethodDescriptor* FindMethod(const std::string& name);

}  // namespace treadle::bridge
