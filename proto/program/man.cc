#include "proto/program/man.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "proto/program/flags.h"
#include "proto/program/usage.h"

namespace treadle::program {
namespace {

// Text as roff reads it: no escapes, no requests at the beginning of a line.
std::string Escaped(absl::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

// As it is: examples, lists.
std::string AsIs(const std::string& text) {
  if (text.empty()) return "";
  return absl::StrCat(".PP\n.nf\n", Escaped(text), text.back() == '\n' ? "" : "\n", ".fi\n");
}

bool IsHidden(const CLI::Option& option) { return option.get_group().empty(); }

std::string OptionEntry(const CLI::Option& option) {
  const bool positional = option.get_positional();
  std::string text =
      absl::StrCat(".TP\n\\fB", Escaped(option.get_name(positional, !positional)), "\\fR",
                   option.get_option_text().empty()
                       ? ""
                       : absl::StrCat(" \\fI", Escaped(option.get_option_text()), "\\fR"),
                   "\n", Escaped(option.get_description()));
  if (option.get_required()) {
    absl::StrAppend(&text, " Required.");
  } else if (!option.get_default_str().empty()) {
    absl::StrAppend(&text, " Default: ", Escaped(option.get_default_str()), ".");
  }
  return text + "\n";
}

std::string Options(const CLI::App& app, bool with_help) {
  std::string text;
  for (const CLI::Option* const option : app.get_options()) {
    const bool is_help = option == app.get_help_ptr();
    if (!IsHidden(*option) && (with_help || !is_help)) text += OptionEntry(*option);
  }
  return text;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::string Commands(const CLI::App& app) {
  std::string text;
  for (const CLI::App* const command : CommandsOf(app)) {
    if (!CommandsOf(*command).empty()) {
      text += Commands(*command);
      continue;
    }
    absl::StrAppend(&text, ".SS \"", Escaped(CommandPath(*command)), "\"\n",
                    Escaped(command->get_description()), "\n", Options(*command, false),
                    AsIs(command->get_footer()));
  }
  return text;
}

}  // namespace

std::string ManPage(const CLI::App& app) {
  const std::string name = app.get_name();
  const std::string commands = Commands(app);
  return absl::StrCat(".TH \"", Escaped(absl::AsciiStrToUpper(name)), "\" 1 \"\" \"Treadle ",
                      Version(), "\" \"Treadle\"\n", ".SH NAME\n", Escaped(name), " \\- ",
                      Escaped(app.get_description()), "\n", ".SH SYNOPSIS\n\\fB", Escaped(name),
                      "\\fR [\\fIOPTIONS\\fR]",
                      commands.empty() ? "" : " \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]", "\n",
                      ".SH OPTIONS\n", Options(app, true), commands.empty() ? "" : ".SH COMMANDS\n",
                      commands, ".SH NOTES\n", AsIs(app.get_footer()));
}

}  // namespace treadle::program
