#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>

#include "tests/rpc/fixture.h"

// Calls with whatever bytes one likes.

namespace treadle::test {

inline grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Valid() && buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return bytes;
}

// `method` is "treadle.v1.TaskService/Submit".
inline grpc::Status CallRaw(grpc::Channel& channel, const std::string& method,
                            const std::string& request, std::string* response = nullptr) {
  Context context;
  const std::string path = "/" + method;
  grpc::internal::RpcMethod rpc_method(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ByteBuffer answer;
  const grpc::Status status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer,
                                                                grpc::ByteBuffer, grpc::ByteBuffer>(
      &channel, rpc_method, &context, ToBuffer(request), &answer);
  if (response != nullptr) *response = ToString(answer);
  return status;
}

// A stream of bytes, with a deadline.
class RawStream {
 public:
  RawStream(grpc::Channel& channel, const std::string& method)
      : path_("/" + method),
        method_(path_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING),
        stream_(
            grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
                &channel, method_, &context_)) {}

  bool Write(const std::string& bytes) { return stream_->Write(ToBuffer(bytes)); }
  bool Read(std::string* bytes = nullptr) {
    grpc::ByteBuffer buffer;
    const bool ok = stream_->Read(&buffer);
    if (ok && bytes != nullptr) *bytes = ToString(buffer);
    return ok;
  }
  void HalfClose() { stream_->WritesDone(); }
  grpc::Status Finish() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  Context context_;
  const std::string path_;
  const grpc::internal::RpcMethod method_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

}  // namespace treadle::test
