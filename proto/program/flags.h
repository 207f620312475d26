#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

// Flags and config files, the same way in every program of Treadle.
//
// A flag's value at registration is its default. Every flag may stand in the config file under its
// own name without the dashes:
//
//   # treadle-server.conf
//   listen = 0.0.0.0:7733
//   payload-max = 8MiB
//   auto-create-queues = false
//
// One `name = value` a line; a value in double quotes keeps its spaces; # begins a comment; a list
// flag stands once for each value. What the command line says wins. Unknown names, names given
// twice and bad values are errors that name the file, the line and the flag.

namespace treadle::program {

// Exit code for wrong flags or a wrong config file.
inline constexpr int kExitUsage = 2;
// Who read standard output has enough of it, as after SIGPIPE.
inline constexpr int kExitReaderGone = 141;

// "1.2.3".
std::string Version();

// Thrown for --man, as CLI::CallForHelp is for --help.
struct CallForMan : CLI::Success {
  CallForMan() : CLI::Success("--man", CLI::ExitCodes::Success) {}
};

// A program's (empty) set of flags, with --help and --version, and --man, which the help leaves
// out: it prints the manual page (man.h). `examples` ends the help text.
std::unique_ptr<CLI::App> NewApp(const std::string& name, const std::string& description,
                                 const std::string& examples);

// Adds --config.
void AddConfigFlag(CLI::App& app);

// Each returns the option, for CLI11's further settings (required(), group(), ...). The variable
// must outlive the parse. `flag` is "--name", or "-n,--name"; without dashes a positional argument.
CLI::Option* AddText(CLI::App& app, const std::string& flag, std::string& value,
                     const std::string& value_name, const std::string& help);
// "HOST:PORT" (proto/support/address.h), kept as text. `port_min`: 0 where 0 is any free port.
CLI::Option* AddAddress(CLI::App& app, const std::string& flag, std::string& value, int port_min,
                        const std::string& help);
// As AddAddress; empty: none.
CLI::Option* AddAddressOrNone(CLI::App& app, const std::string& flag, std::string& value,
                              int port_min, const std::string& help);
// The flag may be given many times, one value each.
CLI::Option* AddList(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
                     const std::string& value_name, const std::string& help);
CLI::Option* AddChoice(CLI::App& app, const std::string& flag, std::string& value,
                       const std::vector<std::string>& choices, const std::string& help);
// --name, --name=true or --name=false.
CLI::Option* AddSwitch(CLI::App& app, const std::string& flag, bool& value,
                       const std::string& help);
// A whole number between the bounds, both included.
CLI::Option* AddCount(CLI::App& app, const std::string& flag, int64_t& value, int64_t min,
                      int64_t max, const std::string& help);
// "30s" (see proto/support/units.h), kept in milliseconds.
CLI::Option* AddDuration(CLI::App& app, const std::string& flag, int64_t& value_ms, int64_t min_ms,
                         int64_t max_ms, const std::string& help);
// "4MiB" (see proto/support/units.h), kept in bytes.
CLI::Option* AddSize(CLI::App& app, const std::string& flag, int64_t& value_bytes,
                     int64_t min_bytes, int64_t max_bytes, const std::string& help);

// As app.parse, which takes the next word for the value of "--name=": here it is empty. Without the
// program's name. Throws CLI::ParseError.
void ParseWords(CLI::App& app, const std::vector<std::string>& words);
// Parses. Absent: go on. Otherwise the code to exit with: 0 after --help, --version or --man, which
// it has printed (1 or kExitReaderGone when it could not), kExitUsage after a sentence on stderr.
std::optional<int> Parse(CLI::App& app, int argc, const char* const* argv);

}  // namespace treadle::program
