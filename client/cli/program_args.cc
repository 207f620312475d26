#include "client/cli/program_args.h"

#include <cstddef>

#include <CLI/CLI.hpp>

namespace treadle::cli {
namespace {

constexpr char kPositional[] = "PROGRAM";

// How many words the option at `word` takes, its value included. A wrong option counts one: CLI11
// will complain.
size_t WordsOf(CLI::App& root, CLI::App* command, const std::string& word) {
  const bool is_long = word.size() > 2 && word[1] == '-';
  if (is_long ? word.find('=') != std::string::npos : word.size() > 2) return 1;
  CLI::Option* option = command != nullptr ? command->get_option_no_throw(word) : nullptr;
  if (option == nullptr) option = root.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0 ? 2 : 1;
}

CLI::App* FindSubcommand(CLI::App& parent, const std::string& name) {
  for (CLI::App* command : parent.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

}  // namespace

void TakesProgram(CLI::App& command, const std::string& help, const std::string& arguments) {
  command.add_option(kPositional, help)->option_text(arguments)->expected(-1);
}

SplitLine SplitAtProgram(CLI::App& root, const std::vector<std::string>& args) {
  CLI::App* command = nullptr;
  size_t at = 0;
  while (at < args.size()) {
    const std::string& word = args[at];
    if (word.size() > 1 && word[0] == '-' && word != "--") {
      at += WordsOf(root, command, word);
    } else if (command == nullptr || command->get_option_no_throw(kPositional) == nullptr) {
      command = FindSubcommand(command == nullptr ? root : *command, word);
      if (command == nullptr) return {args, {}};
      at++;
    } else {
      const size_t program = at + (word == "--" ? 1 : 0);
      return {{args.begin(), args.begin() + static_cast<ptrdiff_t>(at)},
              {args.begin() + static_cast<ptrdiff_t>(program), args.end()}};
    }
  }
  return {args, {}};
}

}  // namespace treadle::cli
