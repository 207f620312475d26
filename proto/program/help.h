#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace treadle::program {

// Help texts for a terminal of 80 columns: each flag on a line of its own, what it does wrapped
// below it, its default at the end; each command on a line with what it does, wrapped beside it.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  // Before them, of a command, come the names of the program's own flags, which may stand there,
  // too.
  std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  // Their prose is wrapped: what is not indented, or by 6 columns. Examples stay as they are.
  std::string make_description(const CLI::App* app) const override;
  std::string make_footer(const CLI::App* app) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_usage(const CLI::Option* option) const override;
};

}  // namespace treadle::program
