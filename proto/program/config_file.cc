#include "proto/program/config_file.h"

#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace treadle::program {
namespace {

// The value of a line: "..." with \" and \\ inside, or what stands before a comment.
bool ReadValue(absl::string_view text, std::string& value) {
  value.clear();
  text = absl::StripAsciiWhitespace(text);
  if (text.empty() || text.front() != '"') {
    if (const size_t comment = text.find(" #"); comment != text.npos)
      text = text.substr(0, comment);
    value = std::string(absl::StripAsciiWhitespace(text));
    return !value.empty();
  }
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      const absl::string_view rest = absl::StripAsciiWhitespace(text.substr(i + 1));
      return rest.empty() || rest.front() == '#';
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  return false;  // the quote does not end
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const std::string file = app_.get_config_ptr()->as<std::string>();
  std::set<const CLI::Option*> on_command_line;
  for (const CLI::Option* option : app_.get_options()) {
    if (option->count() > 0) on_command_line.insert(option);
  }
  // An open folder looks like an empty file until it is read.
  if (input.peek() == std::istream::traits_type::eof() && input.bad()) {
    throw CLI::FileError::Missing(file);
  }
  std::map<const CLI::Option*, int> seen;  // and the line
  std::string line;
  for (int number = 1; std::getline(input, line); ++number) {
    const auto fail = [&](absl::string_view what) {
      throw CLI::ConfigError(absl::StrCat(file, ":", number, ": ", what));
    };
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#') continue;
    const size_t equals = text.find('=');
    if (equals == text.npos) fail(absl::StrCat("'", text, "': write 'name = value'"));
    const std::string name(absl::StripAsciiWhitespace(text.substr(0, equals)));
    CLI::Option* const option = app_.get_option_no_throw("--" + name);
    if (option == nullptr || !option->get_configurable()) {
      fail(absl::StrCat("unknown key '", name, "': the keys are the flags of ", app_.get_name(),
                        " --help, without the dashes"));
    }
    std::string value;
    if (!ReadValue(text.substr(equals + 1), value)) {
      fail(absl::StrCat(name, ": write a value, in double quotes if it has spaces at its ends"));
    }
    const bool is_list = option->get_items_expected_max() > 1;
    if (const auto [it, first] = seen.emplace(option, number); !first && !is_list) {
      fail(absl::StrCat("'", name, "' was given in line ", it->second, " already"));
    }
    if (on_command_line.count(option) != 0) continue;
    try {
      option->add_result(option->get_items_expected_max() == 0
                             ? option->get_flag_value("--" + name, value)
                             : value);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      fail(error.what());
    }
  }
  return {};
}

std::string ConfigFile::to_config(const CLI::App*, bool, bool, std::string) const { return {}; }

}  // namespace treadle::program
