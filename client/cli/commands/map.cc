#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/commands/submit_flags.h"
#include "client/cli/context.h"
#include "client/cli/file_content.h"
#include "client/cli/flags.h"
#include "client/cli/map/item_source.h"
#include "client/cli/map/map_run.h"
#include "client/cli/map/placeholder.h"
#include "client/cli/program_args.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/task/exec_task.h"

namespace treadle::cli {
namespace {

// Begin a source of items: its values, or files of them; with a plus, linked to the one before.
constexpr char kValuesMark[] = ":::";
constexpr char kFilesMark[] = "::::";
// Of a request key, which has numbers besides.
constexpr size_t kRunNameBytesMax = limits::kNameBytesMax - 100;

struct MapFlags : SubmitFlags {
  std::string items_path;
  bool null_delimited = false;
  std::string separator;
  bool stdin_files = false;
  bool pipe = false;
  int64_t block_bytes = limits::kMiB;
  int64_t block_lines = 0;
  int64_t jobs = 10'000;
  bool keep_going = false;
  bool keep_order = false;
  bool tag = false;
  bool eta = false;
  bool dry_run = false;
  std::string job_log;
  std::string run;
  bool resume = false;
  bool retry_failed = false;
  std::string results;

  char delimiter() const { return null_delimited ? '\0' : '\n'; }
  // Where the item goes that is in no argument.
  bool by_stdin() const { return stdin_files || pipe; }
};

bool IsMark(const std::string& word) {
  return word == kValuesMark || word == kFilesMark || word == ":::+" || word == "::::+";
}

// What is run, and the sources of its items, as they stand on the command line.
struct MapWords {
  std::vector<std::string> program;
  std::vector<std::vector<std::string>> sources;  // each begins with its mark
};

MapWords SplitWords(const std::vector<std::string>& words) {
  MapWords split;
  for (const std::string& word : words) {
    if (IsMark(word)) {
      split.sources.push_back({word});
    } else if (split.sources.empty()) {
      split.program.push_back(word);
    } else {
      split.sources.back().push_back(word);
    }
  }
  return split;
}

absl::Status Check(const MapFlags& flags, const MapWords& words) {
  const bool exec = !words.program.empty();
  if (exec && !flags.type.empty()) {
    return absl::InvalidArgumentError(
        "--type is for tasks that are no programs: leave out either it or the program");
  }
  if (!exec && flags.type.empty()) {
    return absl::InvalidArgumentError("nothing to run: give a program after --, or --type");
  }
  if (!words.sources.empty() && (!flags.items_path.empty() || flags.pipe)) {
    return absl::InvalidArgumentError(
        "items come from :::, from --items, or by --pipe from standard input: give one of these");
  }
  if (flags.pipe && (flags.stdin_files || !flags.items_path.empty())) {
    return absl::InvalidArgumentError(
        "--pipe gives the programs pieces of standard input: it goes with neither --stdin-files "
        "nor --items");
  }
  if (flags.run.size() > kRunNameBytesMax || !IsPrintableUtf8(flags.run)) {
    return absl::InvalidArgumentError(fmt::format(
        "--run: a name is at most {} bytes of UTF-8, without tabs or newlines", kRunNameBytesMax));
  }
  if ((flags.resume || flags.retry_failed) && flags.job_log.empty()) {
    return absl::InvalidArgumentError(
        "--resume and --retry-failed go on with the run of a job log: name it with --joblog");
  }
  return absl::OkStatus();
}

// Makes one item's task.
using Drafter = std::function<absl::StatusOr<TaskDraft>(Item item)>;

absl::StatusOr<Drafter> MakeDraft(const Context& context, const MapFlags& flags,
                                  const CommandTemplate* command) {
  absl::StatusOr<SubmitOptions> options = ToSubmitOptions(flags, command != nullptr);
  if (!options.ok()) return options.status();
  auto content = [&terminal = context.terminal,
                  files = flags.stdin_files](Item& item) -> absl::StatusOr<std::string> {
    if (files) return ReadContent(item.Label(), terminal);
    return std::move(item.input);
  };
  if (command == nullptr) {
    return [options = *options, content, by_stdin = flags.by_stdin(), type = flags.type,
            content_type = flags.content_type](Item item) -> absl::StatusOr<TaskDraft> {
      absl::StatusOr<std::string> bytes = by_stdin ? content(item) : item.Label();
      if (!bytes.ok()) return bytes.status();
      return TaskDraft{type, Payload(*std::move(bytes), content_type), options};
    };
  }
  return [options = *options, content, command = *command](Item item) -> absl::StatusOr<TaskDraft> {
    const std::vector<std::string> argv = command.Fill(item);
    absl::StatusOr<std::string> input = content(item);
    if (!input.ok()) return input.status();
    return DraftProgram(options, argv, *std::move(input));
  };
}

absl::StatusOr<ItemSource> OpenSources(const Context& context, const MapFlags& flags,
                                       std::vector<std::vector<std::string>> sources) {
  const auto is_files = [](const std::string& mark) { return mark.starts_with(kFilesMark); };
  // A file alone is read as it is needed.
  if (sources.size() == 1 && sources[0].size() == 2 && is_files(sources[0][0])) {
    return ItemsFromFile(sources[0][1], flags.delimiter(), context.terminal);
  }
  std::vector<ValueList> lists;
  for (std::vector<std::string>& source : sources) {
    const bool linked = source[0].ends_with('+');
    if (!is_files(source[0])) {
      lists.push_back({{source.begin() + 1, source.end()}, linked});
      continue;
    }
    for (size_t i = 1; i < source.size(); ++i) {
      absl::StatusOr<std::vector<std::string>> values =
          ValuesFromFile(source[i], flags.delimiter(), context.terminal);
      if (!values.ok()) return values.status();
      lists.push_back({*std::move(values), linked});
    }
  }
  return ItemsOf(std::move(lists));
}

absl::StatusOr<ItemSource> OpenItems(const Context& context, const MapFlags& flags,
                                     const MapWords& words) {
  const bool from_stdin = words.sources.empty() && flags.items_path.empty();
  if (from_stdin && context.terminal.can_ask()) {
    context.terminal.Complain("reading items from the terminal: Ctrl-D ends them");
  }
  if (flags.pipe) {
    return PiecesOf(context.terminal.in, {flags.block_lines, flags.block_bytes});
  }
  absl::StatusOr<ItemSource> items =
      !words.sources.empty() ? OpenSources(context, flags, words.sources)
                             : ItemsFromFile(flags.items_path.empty() ? "-" : flags.items_path,
                                             flags.delimiter(), context.terminal);
  if (items.ok() && !flags.separator.empty()) items = Split(*std::move(items), flags.separator);
  if (items.ok() && flags.eta) items = Counted(*std::move(items));
  return items;
}

using Describer = std::function<std::string(const Item& item)>;

ExitCode PrintCommands(Context& context, ItemSource& items, const Describer& describe) {
  while (true) {
    absl::StatusOr<std::optional<Item>> item = items.next();
    if (!item.ok()) return context.Fail(item.status());
    if (!item->has_value()) return ExitCode::kOk;
    if (const ExitCode code = context.Print(describe(**item) + "\n"); code != ExitCode::kOk) {
      return code;
    }
  }
}

ExitCode Map(Context& context, const MapFlags& flags) {
  const MapWords words = SplitWords(context.program);
  absl::Status status = context.CheckOutput({"table", "json", "jsonl", "quiet"},
                                            "treadle map writes results as they are, or JSON");
  if (status.ok()) status = Check(flags, words);
  if (!status.ok()) return context.Fail(status);
  std::optional<CommandTemplate> command;
  if (!words.program.empty()) command.emplace(words.program, /*append_item=*/!flags.by_stdin());
  // Before the first item is read.
  if (const auto program = command ? command->Program() : std::nullopt) {
    if (absl::Status s = exec::TypeOf(*program).status(); !s.ok()) return context.Fail(s);
  }
  absl::StatusOr<Drafter> draft = MakeDraft(context, flags, command ? &*command : nullptr);
  if (!draft.ok()) return context.Fail(draft.status());
  const Describer describe = [command, type = flags.type](const Item& item) {
    return command ? ShellLine(command->Fill(item)) : ShellLine({type, item.Label()});
  };
  absl::StatusOr<ItemSource> items = OpenItems(context, flags, words);
  if (!items.ok()) return context.Fail(items.status());
  if (flags.dry_run) return PrintCommands(context, *items, describe);

  MapOptions options;
  options.run = flags.run;
  if (!flags.job_log.empty()) {
    absl::StatusOr<std::shared_ptr<JobLog>> log =
        JobLog::Open(flags.job_log, flags.resume || flags.retry_failed, flags.run);
    if (!log.ok()) return context.Fail(log.status());
    options.log = *std::move(log);
    options.run = options.log->run();
  }
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  options.queue = flags.queue;
  options.jobs = flags.jobs;
  options.keep_going = flags.keep_going;
  options.tag = flags.tag;
  options.draft = *std::move(draft);
  options.command = describe;
  options.skip_ended = flags.resume;
  options.failed_only = flags.retry_failed;
  options.results = flags.results;
  return MapRun(context, **client, std::move(options), *std::move(items)).Run();
}

}  // namespace

void AddMapCommand(CLI::App& root, Command& chosen) {
  auto flags = std::make_shared<MapFlags>();
  CLI::App& command = AddSubcommand(
      root, "map", "Runs a program once for each item; writes the results in the items' order.",
      "Items follow :::, or are the lines of standard input. In the program's arguments\n"
      "\n"
      "  {}   is the item            {.}   without its extension  {#}  its number\n"
      "  {/}  without its folders    {//}  its folder             {/.} its bare name\n"
      "\n"
      "and without any of these the item is the last argument. Several ::: make every combination "
      "(:::: reads a file's lines; :::+ and ::::+ go hand in hand with the source before); {2}, "
      "{2/}, ... are of the second source. With --type the item is the payload of a task for the "
      "handler of that name.\n"
      "\n"
      "As GNU parallel does it, but for this: the order is always that of the items; a program is "
      "run as it is, by its path, and no shell reads the arguments (for one say /bin/sh -c); the "
      "first failure cancels the rest, unless --keep-going is given; the exit code is 1 however "
      "many items failed; --colsep is a text. It goes on while the broker is restarted. Ctrl-C "
      "cancels what is under way.\n"
      "\n"
      "With --joblog a run that ended early, in whatever way, goes on by the same command with "
      "--resume: what was under way is joined, and not run twice. (A broker remembers request keys "
      "for a day; see its --request-key-window.)\n"
      "\n"
      "Examples:\n"
      "  treadle map -- /usr/bin/basename {} .txt ::: a.txt b.txt c.txt\n"
      "  treadle map -- /bin/convert {1} -resize {2} {1.}-{2}.png ::: *.jpg ::: 64 128\n"
      "  find . -type f -print0 | treadle map -0 --stdin-files -- /usr/bin/sha256sum\n"
      "  seq 1000 | treadle map --joblog log --resume --keep-going -- /usr/bin/factor\n"
      "  treadle map --pipe --block 10MiB -- /usr/bin/wc -l < access.log\n"
      "  treadle map --type resize --output json ::: a.png b.png | jq -r .task_id\n");
  program::AddText(command, "-a,--items", flags->items_path, "FILE",
                   "Read the items from this file, one a line. Default: standard input.");
  AddFlag(command, "-0,--null", flags->null_delimited,
          "Items end with a NUL byte rather than a newline, as find -print0 writes them.");
  program::AddText(
      command, "-C,--colsep", flags->separator, "TEXT",
      "Cut each item at this text: {1}, {2}, ... are its columns, without blanks around them; of "
      "several sources one after the other.");
  AddFlag(command, "--stdin-files", flags->stdin_files,
          "Each item names a file, whose content becomes the program's standard input "
          "(or the payload).");
  AddFlag(command, "--pipe", flags->pipe,
          "Cut standard input into blocks of whole lines, each a program's standard input.");
  program::AddSize(command, "--block", flags->block_bytes, 1, limits::kPayloadBytesMaxCeiling,
                   "With --pipe: how large a block is; it ends with the line that fills it.");
  program::AddCount(command, "-N,--block-lines", flags->block_lines, 0, 1'000'000'000,
                    "With --pipe: how many lines a block has instead. 0: as --block says.");
  AddFlag(command, "--keep-going", flags->keep_going,
          "Go on after an item failed. Without it the first failure cancels the rest.");
  AddFlag(command, "-k,--keep-order", flags->keep_order,
          "Changes nothing: the results always come in the items' order.");
  AddFlag(command, "--tag", flags->tag, "Begin each line of output with its item and a tab.");
  AddFlag(command, "--eta,--bar", flags->eta,
          "Read all items first, so that the progress on the terminal has the time that is left.");
  AddFlag(command, "--dry-run", flags->dry_run, "Only print what would be run.");
  program::AddText(command, "--joblog", flags->job_log, "FILE",
                   "Write a line about each item whose result was printed, as parallel does; times "
                   "have the wait for a worker in them.");
  AddFlag(command, "--resume", flags->resume,
          "Go on with the job log's run: leave out the items that it has, join those under way.");
  AddFlag(command, "--retry-failed", flags->retry_failed,
          "Run the job log's failed items again, and no others unless --resume is given, too.");
  program::AddText(command, "--run", flags->run, "NAME",
                   "A name for the run: a second one of that name joins the first's tasks. An item "
                   "that is another one than it was is refused.");
  program::AddText(command, "--results", flags->results, "DIR",
                   "Keep each item's output, too: DIR/1/ITEM/stdout, stderr (of failures) and "
                   "seq.");
  program::AddCount(command, "-j,--jobs", flags->jobs, 1, 1'000'000,
                    "How many items may be under way at once.");
  AddSubmitFlags(command, *flags, limits::kWaitIfFullMsMax);
  TakesProgram(command, "A program that workers may run, its arguments, and after ::: the items.",
               "[ARGUMENTS...] [::: ITEMS...]");
  command.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Map(context, *flags); }; });
}

}  // namespace treadle::cli
