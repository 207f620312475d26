#include "client/cli/batch_line.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "client/cli/console/human.h"
#include "client/cli/console/json.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// What a line says beside submit's flags.
struct Special {
  bool has_payload = false;
  bool is_json = false;
  std::string payload;
  std::vector<std::string> program;
  std::string input;
};

absl::StatusOr<bool> TakeSpecial(const std::string& name, const Json& value, Special& special) {
  if (name == "payload") {
    special.has_payload = true;
    special.is_json = !value.is_string();
    special.payload = TextOf(value);
  } else if (name == "payload_base64") {
    special.has_payload = true;
    if (!value.is_string() || !absl::Base64Unescape(value.get<std::string>(), &special.payload)) {
      return Wrong("payload_base64 is not base64");
    }
  } else if (name == "program") {
    if (!value.is_array() || value.empty() ||
        !std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); })) {
      return Wrong("program: write an array of texts, [\"/bin/echo\", \"hello\"]");
    }
    special.program = value.get<std::vector<std::string>>();
  } else if (name == "stdin") {
    if (!value.is_string()) return Wrong("stdin: write the input itself, as text");
    special.input = value.get<std::string>();
  } else {
    return false;
  }
  return true;
}

}  // namespace

BatchLine::BatchLine(const SubmitFlags& defaults) : defaults_(defaults) {
  app_.set_help_flag();
  AddSubmitFlags(app_, flags_, defaults.wait_if_full_ms);
  program::AddText(app_, "--request-key", request_key_, "KEY", "");
}

absl::StatusOr<BatchLine::Task> BatchLine::Read(const std::string& line) {
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Wrong("it is no JSON object: write {\"type\": ..., ...}");
  Special special;
  std::vector<std::string> words;
  for (const auto& [name, value] : object.items()) {
    const absl::StatusOr<bool> taken = TakeSpecial(name, value, special);
    if (!taken.ok()) return taken.status();
    if (*taken || value.is_null()) continue;
    std::string flag = "--" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    const CLI::Option* const option = app_.get_option_no_throw(flag);
    if (option == nullptr) {
      return Wrong(
          fmt::format("'{}' is no field of a task: there are payload, payload_base64, "
                      "program, stdin, and the flags of treadle submit --help",
                      Printable(name)));
    }
    if (name == "header") {
      if (!value.is_object()) return Wrong("header: write an object of names and values");
      for (const auto& [key, text] : value.items())
        words.push_back(flag + "=" + key + "=" + TextOf(text));
    } else if (value.is_array()) {
      for (const Json& one : value) words.push_back(flag + "=" + TextOf(one));
    } else if (value.is_object()) {
      return Wrong(name + ": write a text or a number");
    } else {
      words.push_back(flag + "=" + TextOf(value));
    }
  }
  CLI::Option* const durability = flags_.durability_option;
  CLI::Option* const result_ttl = flags_.result_ttl_option;
  flags_ = defaults_;
  flags_.durability_option = durability;
  flags_.result_ttl_option = result_ttl;
  request_key_.clear();
  try {
    program::ParseWords(app_, words);
  } catch (const CLI::ParseError& error) {
    return Wrong(error.what());
  }
  const bool exec = !special.program.empty();
  if (exec == !flags_.type.empty()) {
    return Wrong("name the task's type, or its program: one of the two");
  }
  if (exec ? special.has_payload : !special.input.empty()) {
    return Wrong("payload is for types, stdin for programs");
  }
  absl::StatusOr<SubmitOptions> options = ToSubmitOptions(flags_, exec);
  if (!options.ok()) return options.status();
  if (result_ttl->count() == 0 && defaults_.result_ttl_option != nullptr &&
      defaults_.result_ttl_option->count() > 0) {
    options->result_ttl = std::chrono::milliseconds(defaults_.result_ttl_ms);
  }
  options->request_key = request_key_;
  if (exec) {
    absl::StatusOr<TaskDraft> draft =
        DraftProgram(*options, special.program, std::move(special.input));
    if (!draft.ok()) return draft.status();
    return Task{flags_.queue, *std::move(draft)};
  }
  const std::string content_type =
      flags_.content_type.empty() && special.is_json ? "application/json" : flags_.content_type;
  return Task{flags_.queue,
              {flags_.type, Payload(std::move(special.payload), content_type), *options}};
}

}  // namespace treadle::cli
