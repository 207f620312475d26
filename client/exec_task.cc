#include "client/exec_task.h"

#include <utility>

#include "absl/status/status.h"
#include <nlohmann/json.hpp>

namespace treadle {
namespace {

using nlohmann::json;

absl::Status CheckArgv(const std::vector<std::string>& argv) {
  if (argv.empty() || argv.front().empty()) {
    return absl::InvalidArgumentError("an exec task needs a program: give its path first");
  }
  for (const std::string& argument : argv) {
    if (argument.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(
          "an exec task's argument has a NUL byte: pass such data as standard input");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FormatExecArgv(const std::vector<std::string>& argv) {
  if (absl::Status status = CheckArgv(argv); !status.ok()) return status;
  try {
    return json(argv).dump();
  } catch (const json::type_error&) {
    return absl::InvalidArgumentError(
        "an exec task's argument is not UTF-8: pass such data as standard input");
  }
}

absl::StatusOr<std::vector<std::string>> ParseExecArgv(std::string_view header) {
  json value = json::parse(header, nullptr, /*allow_exceptions=*/false);
  absl::Status wrong = absl::InvalidArgumentError(
      "header 'exec-argv' must be a JSON array of strings, the program first: "
      "[\"/usr/bin/wc\", \"-w\"]");
  if (!value.is_array()) return wrong;
  std::vector<std::string> argv;
  for (json& argument : value) {
    if (!argument.is_string()) return wrong;
    argv.push_back(std::move(argument.get_ref<std::string&>()));
  }
  if (absl::Status status = CheckArgv(argv); !status.ok()) return status;
  return argv;
}

}  // namespace treadle
