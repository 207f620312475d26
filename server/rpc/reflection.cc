#include "server/rpc/reflection.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1alpha/reflection.pb.h>

#include "proto/support/utf8.h"
#include "server/rpc/asked_stream.h"
#include "server/rpc/methods.h"

namespace treadle::rpc {
namespace {

namespace protobuf = google::protobuf;
namespace reflection = grpc::reflection::v1alpha;

const protobuf::DescriptorPool& Pool() { return *protobuf::DescriptorPool::generated_pool(); }

absl::Status NotFound(const char* what, const std::string& name) {
  return absl::NotFoundError(
      absl::StrCat("there is no ", what, " '", CutMiddle(name, kShownBytes), "' here"));
}

// The file, and all that it imports.
void AddFiles(const protobuf::FileDescriptor& file, absl::flat_hash_set<std::string>& seen,
              reflection::FileDescriptorResponse& out) {
  if (!seen.insert(file.name()).second) return;
  protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFiles(*file.dependency(i), seen, out);
}

absl::Status AddFiles(const protobuf::FileDescriptor* file, const char* what,
                      const std::string& name, reflection::ServerReflectionResponse& out) {
  if (file == nullptr) return NotFound(what, name);
  absl::flat_hash_set<std::string> seen;
  AddFiles(*file, seen, *out.mutable_file_descriptor_response());
  return absl::OkStatus();
}

absl::Status Answer(const reflection::ServerReflectionRequest& question,
                    const std::vector<std::string>& services,
                    reflection::ServerReflectionResponse& out) {
  using Asked = reflection::ServerReflectionRequest;
  switch (question.message_request_case()) {
    case Asked::kListServices:
      for (const std::string& service : services) {
        out.mutable_list_services_response()->add_service()->set_name(service);
      }
      return absl::OkStatus();
    case Asked::kFileByFilename: {
      const std::string& name = question.file_by_filename();
      return AddFiles(Pool().FindFileByName(name), "file", name, out);
    }
    case Asked::kFileContainingSymbol: {
      const std::string& name = question.file_containing_symbol();
      return AddFiles(Pool().FindFileContainingSymbol(name), "symbol", name, out);
    }
    case Asked::kFileContainingExtension: {
      const reflection::ExtensionRequest& extension = question.file_containing_extension();
      const protobuf::Descriptor* type = Pool().FindMessageTypeByName(extension.containing_type());
      if (type == nullptr) return NotFound("message", extension.containing_type());
      const protobuf::FieldDescriptor* field =
          Pool().FindExtensionByNumber(type, extension.extension_number());
      return AddFiles(field == nullptr ? nullptr : field->file(), "such extension of",
                      extension.containing_type(), out);
    }
    case Asked::kAllExtensionNumbersOfType: {
      const std::string& name = question.all_extension_numbers_of_type();
      const protobuf::Descriptor* type = Pool().FindMessageTypeByName(name);
      if (type == nullptr) return NotFound("message", name);
      std::vector<const protobuf::FieldDescriptor*> extensions;
      Pool().FindAllExtensions(type, &extensions);
      out.mutable_all_extension_numbers_response()->set_base_type_name(name);
      for (const protobuf::FieldDescriptor* field : extensions) {
        out.mutable_all_extension_numbers_response()->add_extension_number(field->number());
      }
      return absl::OkStatus();
    }
    case Asked::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  return absl::UnimplementedError("this server does not know such a question");
}

class ReflectionStream final : public AskedStream {
 public:
  ReflectionStream(Edge& edge, grpc::CallbackServerContext* context) : AskedStream(edge, context) {}

 protected:
  absl::Status OnQuestion(const grpc::ByteBuffer& message) override {
    reflection::ServerReflectionRequest question;
    if (absl::Status s = Parse(message, edge_.message_bytes_max(), question); !s.ok()) return s;
    reflection::ServerReflectionResponse answer;
    if (absl::Status s = Answer(question, edge_.services, answer); !s.ok()) {
      answer.mutable_error_response()->set_error_code(static_cast<int>(s.code()));
      answer.mutable_error_response()->set_error_message(std::string(s.message()));
    }
    answer.set_valid_host(question.host());
    *answer.mutable_original_request() = std::move(question);
    Send(Serialize(answer));
    return absl::OkStatus();
  }
  // Not before: answers are large, and questions small.
  void OnWritten() override { ReadNext(); }
};

}  // namespace

void ServeReflection(Methods& methods) {
  Service reflection(methods, "grpc.reflection.v1alpha.ServerReflection");
  reflection.Stream<ReflectionStream>("ServerReflectionInfo");
}

}  // namespace treadle::rpc
