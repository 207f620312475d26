#include "client/ledger/wire_format.h"

#include "google/protobuf/io/coded_stream.h"

namespace treadle::client {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr size_t kVarintBytesMax = 10;
constexpr uint32_t kVarintType = 0;
constexpr uint32_t kBytesType = 2;

uint32_t Tag(int field, uint32_t type) { return static_cast<uint32_t>(field) << 3 | type; }

}  // namespace

void AppendVarint(std::string& out, uint64_t value) {
  uint8_t buffer[kVarintBytesMax];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(end - buffer));
}

void AppendLength(std::string& out, int field, size_t bytes) {
  AppendVarint(out, Tag(field, kBytesType));
  AppendVarint(out, bytes);
}

void AppendField(std::string& out, int field, std::string_view bytes) {
  AppendLength(out, field, bytes.size());
  out.append(bytes);
}

void AppendField(std::string& out, int field, uint64_t value) {
  AppendVarint(out, Tag(field, kVarintType));
  AppendVarint(out, value);
}

}  // namespace treadle::client
