#include "proto/program/usage.h"

#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/support/nearest.h"
#include "proto/support/text.h"

namespace treadle::program {
namespace {

// ": did you mean task?", or nothing.
std::string Meant(const std::string& word, const std::vector<std::string>& names) {
  const std::string_view nearest = Nearest(word, {names.begin(), names.end()});
  return nearest.empty() ? "" : absl::StrCat(": did you mean ", Absl(nearest), "?");
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* const option : at->get_options()) {
      if (option->get_group().empty()) continue;
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* const command :
       app.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string ExplainUnexpected(const CLI::App& command, const std::string& word) {
  if (word.size() > 1 && word.front() == '-') {
    const std::string flag = word.substr(0, word.find('='));
    return absl::StrCat("there is no option ", flag, Meant(flag, FlagsOf(command)));
  }
  const std::vector<std::string> commands = CommandNames(command);
  if (commands.empty()) return absl::StrCat("'", word, "' is one argument too many");
  return absl::StrCat("there is no command '", word, "'", Meant(word, commands));
}

const CLI::Option* FindOption(const CLI::App& app, const std::string& name) {
  const CLI::Option* const option = app.get_option_no_throw(name);
  if (option != nullptr || app.get_parent() == nullptr) return option;
  return FindOption(*app.get_parent(), name);
}

}  // namespace

std::string CommandPath(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : CommandPath(*app.get_parent()) + " " + app.get_name();
}

const CLI::App& NamedCommand(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

std::string Unexpected(const CLI::App& root) {
  const std::vector<std::string> words = root.remaining(/*recurse=*/true);
  return words.empty() ? "" : words.front();
}

std::string Explain(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App& command = NamedCommand(root);
  const std::string text = error.what();
  // What is missing may be so because of a word that was not understood.
  const std::string word = Unexpected(root);
  if (!word.empty() && (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                        dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)) {
    return ExplainUnexpected(command, word);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) && absl::EndsWith(text, " missing")) {
    const std::string name = text.substr(0, text.find(':'));
    const CLI::Option* const option = FindOption(command, name);
    return absl::StrCat(name, " needs a value",
                        option == nullptr || option->get_option_text().empty()
                            ? ""
                            : absl::StrCat(": ", name, " ", option->get_option_text()));
  }
  return text;
}

}  // namespace treadle::program
