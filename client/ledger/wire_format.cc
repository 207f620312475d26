#include "client/ledger/wire_format.h"

#include "google/protobuf/io/coded_stream.h"

namespace treadle::client {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr size_t kVarintBytesMax = 10;
constexpr uint32_t kVarintType = 0;
constexpr uint32_t kBytesType = 2;

uint32_t Tag(int field, uint32_t type) { return static_cast<uint32_t>(field) << 3 | type; }

size_t VarintBytes(uint64_t value) { return CodedOutputStream::VarintSize64(value); }

void AppendVarint(std::string& out, uint64_t value) {
  uint8_t buffer[kVarintBytesMax];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(end - buffer));
}

size_t BytesFieldBytes(int field, size_t bytes) {
  return VarintBytes(Tag(field, kBytesType)) + VarintBytes(bytes) + bytes;
}

}  // namespace

void AppendField(std::string& out, int field, std::string_view bytes) {
  AppendVarint(out, Tag(field, kBytesType));
  AppendVarint(out, bytes.size());
  out.append(bytes);
}

void AppendField(std::string& out, int field, uint64_t value) {
  AppendVarint(out, Tag(field, kVarintType));
  AppendVarint(out, value);
}

void AppendPair(std::string& out, int field, int number_field, uint64_t number, int bytes_field,
                std::string_view bytes) {
  AppendVarint(out, Tag(field, kBytesType));
  AppendVarint(out, VarintBytes(Tag(number_field, kVarintType)) + VarintBytes(number) +
                        BytesFieldBytes(bytes_field, bytes.size()));
  AppendField(out, number_field, number);
  AppendField(out, bytes_field, bytes);
}

size_t PairBytesMax(size_t bytes) { return bytes + 6 * kVarintBytesMax; }

}  // namespace treadle::client
