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

#include "proto/program/cli_fwd.h"
#include "proto/support/limits.h"
#include "treadle/client.h"

namespace treadle::cli {

// What every command works with: where it reads and writes, and the options that all share.
struct Context {
  Terminal& terminal;
  Interrupt& interrupt;
  std::string broker = limits::kDefaultAddress;
  bool broker_given = false;  // by --broker
  std::string context_name;   // --context
  bool http_proxy = false;
  std::string output = "table";
  std::string color = "auto";
  int64_t connect_timeout_ms = 2'000;
  // For commands that take a program (program_args.h): it, and its arguments.
  std::vector<std::string> program;

  // With --watch: what is printed, in the place of standard output.
  std::string* frame = nullptr;

  bool json() const { return output == "json" || output == "jsonl"; }
  bool quiet() const { return output == "quiet"; }
  // Rows and fields for people.
  bool table() const { return output == "table" || output == "wide"; }
  // The terminal's, 0: no bound.
  int columns() const { return output == "wide" ? 0 : terminal.out_columns(); }
  // Colours are wanted and can be shown: --color, NO_COLOR, TERM.
  bool coloured() const;

  // INVALID_ARGUMENT: --output is none of these. `what`: what the command writes.
  absl::Status CheckOutput(const std::vector<std::string>& forms, const std::string& what) const;

  // Fills in the broker where --broker does not name it: from --context, TREADLE_BROKER, or the
  // context in use. Errors name the source.
  absl::Status ChooseBroker();

  // UNAVAILABLE says what to do. `options`: its address, name and connect timeout are set here.
  absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options = ClientOptions()) const;

  // Prints why on standard error.
  ExitCode Fail(const absl::Status& status) const;
  // For calls that wait for nothing but the broker's answer: no answer in time is no broker.
  ExitCode FailCall(const absl::Status& status) const;

  // For the terminal that standard output is; uncut if it is none, and with --output wide.
  std::string Render(const Table& table) const { return table.Render(columns(), coloured()); }
  std::string Render(const Sheet& sheet) const { return sheet.Render(columns(), coloured()); }

  // On standard output; nothing with --output quiet. kReaderGone is to be passed on as it is.
  ExitCode Print(const std::string& text) const;
  ExitCode Print(const Json& json) const { return Print(Line(json)); }
  ExitCode Print(const Table& table) const { return Print(Render(table)); }
  // Whatever --output says: help texts.
  ExitCode Write(const std::string& text) const;

  // " --broker 10.0.0.7:7733" where another command must be told, too.
  std::string BrokerFlag() const;
};

// What the command line asked for, run after it was read.
using Command = std::function<ExitCode(Context&)>;

// Each adds one command (or a group of them), which sets `chosen` when it is named.
//
// These stand in the group "task", and by themselves as its short forms.
void AddSubmitCommand(CLI::App& parent, Command& chosen);
void AddResultCommand(CLI::App& parent, Command& chosen);
// "wait" and "watch".
void AddWaitCommands(CLI::App& group, Command& chosen);
void AddFollowCommand(CLI::App& group, Command& chosen);
void AddMapCommand(CLI::App& root, Command& chosen);
void AddTaskCommands(CLI::App& root, Command& chosen);
void AddQueueCommands(CLI::App& root, Command& chosen);
void AddDeadCommands(CLI::App& root, Command& chosen);
void AddTakeCommands(CLI::App& dead, Command& chosen);
void AddJobCommands(CLI::App& root, Command& chosen);
void AddWorkerCommands(CLI::App& root, Command& chosen);
void AddTopCommand(CLI::App& root, Command& chosen);
void AddServerCommands(CLI::App& root, Command& chosen);
void AddContextCommands(CLI::App& root, Command& chosen);
void AddCompletionCommand(CLI::App& root, Command& chosen);
void AddDevCommand(CLI::App& root, Command& chosen);

// A subcommand of `parent`. `notes` ends its help text: what else there is to know, and examples.
CLI::App& AddSubcommand(CLI::App& parent, const std::string& name, const std::string& summary,
                        const std::string& notes);
// For the notes of a command of the group "task" that also stands by itself: each names the other.
std::string OtherForm(const CLI::App& parent, const std::string& name);

}  // namespace treadle::cli
