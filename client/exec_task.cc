#include "client/exec_task.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/text.h"

namespace treadle {
namespace {

// A program's arguments end at their first NUL.
bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

}  // namespace

absl::StatusOr<std::string> EncodeArgv(const std::vector<std::string>& argv) {
  if (argv.empty() || argv[0].empty()) {
    return absl::InvalidArgumentError("argv names no program: put its path first");
  }
  if (std::any_of(argv.begin(), argv.end(), HasNul)) {
    return absl::InvalidArgumentError("argv has a NUL character: take it out");
  }
  absl::StatusOr<std::string> header = codec_internal::DumpJson(nlohmann::json(argv));
  if (!header.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "argv is not UTF-8, which a header must be: pass such bytes through standard input (",
        header.status().message(), ")"));
  }
  return header;
}

absl::StatusOr<std::vector<std::string>> DecodeArgv(std::string_view header) {
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> argv;
  if (json.is_array()) {
    for (const nlohmann::json& element : json) {
      if (!element.is_string()) break;
      argv.push_back(element.get<std::string>());
    }
  }
  if (argv.empty() || argv[0].empty() || argv.size() != json.size() ||
      std::any_of(argv.begin(), argv.end(), HasNul)) {
    return absl::InvalidArgumentError(
        absl::StrCat("header '", Absl(kExecArgvHeader),
                     "' is not a JSON array of strings without NUL, a program first: give it like "
                     "[\"/usr/bin/wc\",\"-w\"]"));
  }
  return argv;
}

std::string ExitStatusMessage(int exit_status, std::string_view stderr_tail) {
  return stderr_tail.empty() ? absl::StrCat("exit status ", exit_status)
                             : absl::StrCat("exit status ", exit_status, ": ", Absl(stderr_tail));
}

Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input, SubmitOptions options) {
  absl::StatusOr<std::string> header = EncodeArgv(argv);
  if (!header.ok()) return Future<Bytes>(EndedState(header.status()));
  options.headers[std::string(kExecArgvHeader)] = *std::move(header);
  const Future<Payload> run = executor.SubmitRaw(
      options, kExecTaskType, Payload(std::move(standard_input), kBytesContentType));
  return Future<Bytes>(run.state());
}

Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input) {
  return SubmitExec(executor, argv, std::move(standard_input), executor.options().submit);
}

}  // namespace treadle
