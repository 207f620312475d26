#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace treadle::program {

// "treadle queue create".
std::string CommandPath(const CLI::App& app);
// The command that was named, as far as the command line was understood.
const CLI::App& NamedCommand(const CLI::App& root);

// What is wrong with the command line that `root` has parsed, for who wrote it; where a command or
// a flag is not known, also the one that is nearly the same.
std::string Explain(const CLI::App& root, const CLI::ParseError& error);
// Words that no command takes: the first. Empty: none.
std::string Unexpected(const CLI::App& root);

}  // namespace treadle::program
