#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/console/interrupt.h"
#include "client/cli/console/json.h"
#include "client/cli/console/table.h"
#include "client/cli/console/terminal.h"
#include "client/cli/exit_code.h"
#include <CLI/CLI.hpp>

#include "proto/support/limits.h"
#include "treadle/client.h"

namespace treadle::cli {

// What every command works with: where it reads and writes, and the options that all share.
struct Context {
  Terminal& terminal;
  Interrupt& interrupt;
  std::string broker = limits::kDefaultAddress;
  bool http_proxy = false;
  std::string output = "text";
  int64_t connect_timeout_ms = 2'000;
  // For commands that take a program (program_args.h): it, and its arguments.
  std::vector<std::string> program;

  bool json() const { return output == "json"; }

  // UNAVAILABLE says what to do. `options`: its address, name and connect timeout are set here.
  absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options = ClientOptions()) const;

  // Prints why on standard error.
  ExitCode Fail(const absl::Status& status) const;
  // For calls that wait for nothing but the broker's answer: no answer in time is no broker.
  ExitCode FailCall(const absl::Status& status) const;

  // On standard output.
  ExitCode Print(const std::string& text) const;
  ExitCode Print(const Json& json) const { return Print(Line(json)); }
  ExitCode Print(const Table& table) const { return Print(table.Render(terminal.out_columns())); }

  // " --broker 10.0.0.7:7733" where another command must be told, too.
  std::string BrokerFlag() const;
};

// What the command line asked for, run after it was read.
using Command = std::function<ExitCode(Context&)>;

// Each adds one command (or a group of them), which sets `chosen` when it is named.
void AddSubmitCommand(CLI::App& root, Command& chosen);
void AddResultCommand(CLI::App& root, Command& chosen);
void AddMapCommand(CLI::App& root, Command& chosen);
void AddTaskCommands(CLI::App& root, Command& chosen);
void AddQueueCommands(CLI::App& root, Command& chosen);
void AddWorkerCommands(CLI::App& root, Command& chosen);
void AddServerCommands(CLI::App& root, Command& chosen);

// A subcommand of `parent`. `notes` ends its help text: what else there is to know, and examples.
CLI::App& AddSubcommand(CLI::App& parent, const std::string& name, const std::string& summary,
                        const std::string& notes);

}  // namespace treadle::cli
