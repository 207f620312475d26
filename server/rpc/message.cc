#include "server/rpc/message.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "proto/support/assert.h"
#include "proto/support/utf8.h"

namespace treadle::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kDepthMax = 100;

// The path of the first text field in `bytes`, a serialised `type`, that is not UTF-8; empty: there
// is none, or the bytes are no message.
std::string FindBadText(const Descriptor& type, const std::string& bytes, int depth) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size()));
  std::vector<int> seen(type.field_count());
  while (const uint32_t tag = input.ReadTag()) {
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (field == nullptr ||
        WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return "";
      continue;
    }
    uint32_t length = 0;
    std::string value;
    if (!input.ReadVarint32(&length) || length > bytes.size() ||
        !input.ReadString(&value, static_cast<int>(length))) {
      return "";
    }
    const std::string name = field->is_repeated() && !field->is_map()
                                 ? absl::StrCat(field->name(), "[", seen[field->index()]++, "]")
                                 : field->name();
    if (field->type() == FieldDescriptor::TYPE_STRING && !IsUtf8(value)) return name;
    if (field->type() != FieldDescriptor::TYPE_MESSAGE || depth == kDepthMax) continue;
    const std::string inner = FindBadText(*field->message_type(), value, depth + 1);
    if (!inner.empty()) return field->is_map() ? name : absl::StrCat(name, ".", inner);
  }
  return "";
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

absl::Status Parse(const grpc::ByteBuffer& buffer, int64_t bytes_max,
                   google::protobuf::Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (static_cast<int64_t>(buffer.Length()) > bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", type.name(), " has ", buffer.Length(), " bytes: a message may have ", bytes_max,
        " (message_bytes_max); send fewer "
        "items in one, or raise the server's --payload-max"));
  }
  {
    grpc::ByteBuffer shared(buffer);  // the reader wants one that it may change
    grpc::ProtoBufferReader reader(&shared);
    if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  }
  const std::string field = FindBadText(type, ToString(buffer), 0);
  if (!field.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": not valid UTF-8; send text as UTF-8, and bytes in the payload"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the message is not a ", type.full_name(),
                   ": build it from the .proto files, or from what server reflection gives"));
}

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size == 0) return EmptyMessage();
  void* const bytes = std::malloc(size);
  TREADLE_ASSERT(bytes != nullptr);
  message.SerializeWithCachedSizesToArray(static_cast<uint8_t*>(bytes));
  grpc::Slice slice(bytes, size, std::free);
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer EmptyMessage() {
  grpc::Slice slice;
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace treadle::rpc
