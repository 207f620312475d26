#include "proto/program/help.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace treadle::program {
namespace {

constexpr size_t kColumns = 79;  // the last one of a terminal stays free
constexpr size_t kIndent = 6;
// Where what a command does begins.
constexpr size_t kAboutCommand = 15;

// Words in lines that begin at `indent`; the first one goes on where `column` columns are taken.
std::string Wrapped(absl::string_view words, size_t indent, size_t column) {
  std::string text(indent - std::min(indent, column), ' ');
  column = std::max(indent, column);
  bool line_begins = true;
  for (const absl::string_view word : absl::StrSplit(words, ' ', absl::SkipEmpty())) {
    if (!line_begins && column + 1 + word.size() > kColumns) {
      absl::StrAppend(&text, "\n", std::string(indent, ' '));
      column = indent;
      line_begins = true;
    }
    absl::StrAppend(&text, line_begins ? "" : " ", word);
    column += word.size() + (line_begins ? 0 : 1);
    line_begins = false;
  }
  return text + "\n";
}

// Each paragraph anew, from lines that begin at the same column: 0, or kIndent.
std::string Reflowed(absl::string_view text) {
  std::string out;
  std::string paragraph;
  size_t paragraph_indent = 0;
  const auto end_paragraph = [&] {
    if (!paragraph.empty()) out += Wrapped(paragraph, paragraph_indent, 0);
    paragraph.clear();
  };
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const bool prose = !line.empty() && (indent == 0 || indent == kIndent);
    if (!prose || indent != paragraph_indent) end_paragraph();
    if (prose) {
      paragraph_indent = indent;
      absl::StrAppend(&paragraph, paragraph.empty() ? "" : " ", line.substr(indent));
    } else {
      absl::StrAppend(&out, line, "\n");
    }
  }
  end_paragraph();
  return out;
}

const CLI::App& RootOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app : RootOf(*app.get_parent());
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
  // CLI11 gives hidden groups a blank line, too.
  while (absl::StrReplaceAll({{"\n\n\n", "\n\n"}}, &text) > 0) {
  }
  while (text.size() > 1 && text.substr(text.size() - 2) == "\n\n") text.pop_back();
  return text;
}

std::string HelpFormatter::make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const {
  std::string text = CLI::Formatter::make_subcommands(app, mode);
  if (app->get_parent() == nullptr) return text;
  const CLI::App& root = RootOf(*app);
  std::vector<std::string> names;
  for (const CLI::Option* const option : root.get_options()) {
    if (option->get_group().empty() || option->get_positional()) continue;
    if (option == root.get_help_ptr() || option == root.get_version_ptr()) continue;
    names.push_back(option->get_name(false, true));
  }
  if (names.empty()) return text;
  return absl::StrCat("\nGlobal options (", root.get_name(), " --help):\n",
                      Wrapped(absl::StrJoin(names, ", "), 2, 0), text);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  const std::string name = absl::StrCat("  ", command->get_display_name(true), "  ");
  return name + Wrapped(command->get_description(), kAboutCommand, name.size());
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  return Reflowed(CLI::Formatter::make_description(app));
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
  return Reflowed(CLI::Formatter::make_footer(app));
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string text = absl::StrCat("  ", option->get_name(is_positional, !is_positional));
  if (!option->get_option_text().empty()) absl::StrAppend(&text, " ", option->get_option_text());
  std::string words = option->get_description();
  if (option->get_required()) {
    absl::StrAppend(&words, " Required.");
  } else if (!option->get_default_str().empty()) {
    absl::StrAppend(&words, " Default: ", option->get_default_str(), ".");
  }
  return absl::StrCat(text, "\n", Wrapped(words, kIndent, 0));
}

// With what follows it: "[PROGRAM [ARGUMENTS...]]".
std::string HelpFormatter::make_option_usage(const CLI::Option* option) const {
  if (option->get_option_text().empty() || option->get_option_text().front() != '[') {
    return CLI::Formatter::make_option_usage(option);
  }
  const std::string text = absl::StrCat(option->get_name(true), " ", option->get_option_text());
  return option->get_required() ? text : absl::StrCat("[", text, "]");
}

}  // namespace treadle::program
