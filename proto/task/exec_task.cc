#include "proto/task/exec_task.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/text.h"
#include "proto/support/utf8.h"
#include "treadle/codec.h"

namespace treadle::exec {
namespace {

constexpr size_t kProgramBytesMax = limits::kNameBytesMax - kTypePrefix.size();
constexpr size_t kShownPathBytes = 200;

// A program's arguments end at their first NUL.
bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

}  // namespace

absl::StatusOr<std::string> TypeOf(std::string_view program) {
  const std::string shown = CutMiddle(program, kShownPathBytes);
  if (program.empty()) {
    return absl::InvalidArgumentError("no program is named: give its path first");
  }
  if (program.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("program '", shown,
                     "': write the absolute path under which workers allow it, as in /usr/bin/wc"));
  }
  if (!IsPrintableUtf8(program) || program.size() > kProgramBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "program '", shown, "': its path becomes part of the task's type, so it must be ",
        "UTF-8 without control characters, of at most ", kProgramBytesMax,
        " bytes: give a link to it"));
  }
  return absl::StrCat(Absl(kTypePrefix), Absl(program));
}

absl::StatusOr<std::string> EncodeArguments(const std::vector<std::string>& arguments) {
  if (std::any_of(arguments.begin(), arguments.end(), HasNul)) {
    return absl::InvalidArgumentError("an argument has a NUL character: take it out");
  }
  absl::StatusOr<Payload> header = Codec<std::vector<std::string>>::Encode(arguments);
  if (!header.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an argument is not UTF-8: pass such bytes through standard input (",
                     header.status().message(), ")"));
  }
  constexpr int64_t kArgumentsBytesMax =
      limits::kHeadersBytesMax - static_cast<int64_t>(kArgumentsHeader.size());
  if (static_cast<int64_t>(header->bytes.size()) > kArgumentsBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the arguments take ", header->bytes.size(), " bytes, and a task holds ",
        kArgumentsBytesMax,
        ": split them over several tasks, or pass what is long as standard input or in a file"));
  }
  return std::move(header->bytes);
}

absl::StatusOr<std::vector<std::string>> DecodeArguments(std::string_view header) {
  absl::StatusOr<std::vector<std::string>> arguments =
      Codec<std::vector<std::string>>::Decode(header, kJsonContentType);
  if (!arguments.ok() || std::any_of(arguments->begin(), arguments->end(), HasNul)) {
    return absl::InvalidArgumentError(
        absl::StrCat("header '", Absl(kArgumentsHeader),
                     "' is not a JSON array of strings without NUL: give it like [\"-l\",\"-w\"]"));
  }
  return arguments;
}

std::string ExitStatusMessage(int exit_status, std::string_view stderr_tail) {
  return stderr_tail.empty() ? absl::StrCat("exit status ", exit_status)
                             : absl::StrCat("exit status ", exit_status, ": ", Absl(stderr_tail));
}

}  // namespace treadle::exec
