#include "client/cli/command_line.h"

#include <memory>
#include <utility>

#include "client/cli/complete.h"
#include "client/cli/context.h"
#include "client/cli/filter_words.h"
#include "client/cli/program_args.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"
#include "proto/program/man.h"
#include "proto/program/usage.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  treadle submit --wait -- /usr/bin/uname -a      # one task, and its result\n"
    "  treadle map --stdin-files -- /usr/bin/wc -w ::: *.txt\n"
    "  treadle queue list\n"
    "  treadle top                                     # how it all goes, live\n"
    "  treadle COMMAND --help                          # each command has examples\n"
    "\n";

std::unique_ptr<CLI::App> NewRoot(Context& context, Command& chosen) {
  std::unique_ptr<CLI::App> root = program::NewApp(
      "treadle",
      "Submits tasks to a Treadle broker, fetches their results, and looks after queues.",
      std::string(kExamples) + kExitCodeHelp);
  root->require_subcommand(1);
  root->get_formatter()->label("SUBCOMMAND", "COMMAND");
  root->get_formatter()->label("Positionals", "Arguments");
  program::AddAddress(*root, "--broker", context.broker, /*port_min=*/1,
                      "The broker. Without it: --context, then the environment variable "
                      "TREADLE_BROKER, then the context in use.");
  program::AddText(*root, "--context", context.context_name, "NAME",
                   "The broker by its name: treadle context.")
      ->default_str("");
  program::AddSwitch(*root, "--http-proxy", context.http_proxy,
                     "Reach it through the proxy that the environment's http_proxy names.");
  program::AddChoice(*root, "-o,--output", context.output,
                     {"table", "wide", "json", "jsonl", "csv", "name", "quiet"},
                     "What is printed. table, wide: for people, wide with more columns and uncut. "
                     "json: one document; jsonl: one object a line; csv: a line each, every field. "
                     "name: ids or names alone. quiet: nothing.");
  program::AddChoice(*root, "--color", context.color, {"auto", "always", "never"},
                     "Colours for states. auto: on a terminal, unless NO_COLOR is set or TERM is "
                     "dumb.");
  program::AddDuration(*root, "--connect-timeout", context.connect_timeout_ms, 0, limits::kHourMs,
                       "How long to try to reach the broker.");
  AddSubmitCommand(*root, chosen);
  AddResultCommand(*root, chosen);
  AddMapCommand(*root, chosen);
  AddTaskCommands(*root, chosen);
  AddQueueCommands(*root, chosen);
  AddDeadCommands(*root, chosen);
  AddJobCommands(*root, chosen);
  AddWorkerCommands(*root, chosen);
  AddServerCommands(*root, chosen);
  AddTopCommand(*root, chosen);
  AddContextCommands(*root, chosen);
  AddCompletionCommand(*root, chosen);
  AddDevCommand(*root, chosen);
  return root;
}

// Absent: go on.
std::optional<ExitCode> Parse(CLI::App& root, const std::vector<std::string>& options,
                              const Context& context) {
  try {
    program::ParseWords(root, options);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return context.Write(root.help());
  } catch (const program::CallForMan&) {
    return context.Write(program::ManPage(root));
  } catch (const CLI::CallForVersion& version) {
    return context.Write(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& error) {
    const CLI::App& named = program::NamedCommand(root);
    if (dynamic_cast<const CLI::RequiredError*>(&error) && named.get_require_subcommand_min() > 0 &&
        program::Unexpected(root).empty()) {
      context.terminal.err << root.help();  // says which commands there are
      return ExitCode::kUsage;
    }
    context.terminal.Complain(program::Explain(root, error) + "\nSee " +
                              program::CommandPath(named) + " --help.");
    return ExitCode::kUsage;
  }
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& args, Terminal& terminal, Interrupt& interrupt) {
  Context context{terminal, interrupt};
  Command chosen;
  const std::unique_ptr<CLI::App> root = NewRoot(context, chosen);
  // Two commands for shells and packages, which the help leaves out.
  if (!args.empty() && args.front() == "__complete") {
    return static_cast<int>(Complete(context, *root, {args.begin() + 1, args.end()}));
  }
  if (!args.empty() && args.front() == "__man") {
    return static_cast<int>(context.Write(program::ManPage(*root)));
  }
  SplitLine line = SplitAtProgram(*root, args);
  SetNegationsApart(line.options);
  context.program = std::move(line.program);
  if (const auto code = Parse(*root, line.options, context)) {
    return static_cast<int>(*code);
  }
  context.broker_given = root->get_option("--broker")->count() > 0;
  // What looks after contexts works also when one of them is wrong; the rest needs a broker.
  if (!root->got_subcommand("context") && !root->got_subcommand("completion")) {
    if (absl::Status s = context.ChooseBroker(); !s.ok()) return static_cast<int>(context.Fail(s));
  }
  const ExitCode code = chosen(context);
  if (code == ExitCode::kInterrupted && interrupt.fired()) return 128 + interrupt.signal();
  return static_cast<int>(code);
}

}  // namespace treadle::cli
