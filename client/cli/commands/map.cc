#include <algorithm>
#include <cstdint>
#include <memory>
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

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

constexpr char kItemsMark[] = ":::";

struct MapFlags : SubmitFlags {
  std::string items_path;
  bool null_delimited = false;
  bool stdin_files = false;
  int64_t jobs = 10'000;
  bool keep_going = false;
  bool tag = false;
};

// Makes one item's task.
using Draft = std::function<absl::StatusOr<TaskDraft>(const std::string& item)>;

absl::StatusOr<Draft> MakeDraft(const Context& context, const MapFlags& flags,
                                const std::vector<std::string>& program) {
  const bool exec = !program.empty();
  if (exec && !flags.type.empty()) {
    return absl::InvalidArgumentError(
        "--type is for tasks that are no programs: leave out either it or the program");
  }
  if (!exec && flags.type.empty()) {
    return absl::InvalidArgumentError("nothing to run: give a program after --, or --type");
  }
  absl::StatusOr<SubmitOptions> options = ToSubmitOptions(flags, exec);
  if (!options.ok()) return options.status();
  auto content = [&terminal = context.terminal, files = flags.stdin_files](
                     const std::string& item) -> absl::StatusOr<std::string> {
    return files ? ReadContent(item, terminal) : item;
  };
  if (!exec) {
    return [options = *options, content, type = flags.type, content_type = flags.content_type](
               const std::string& item) -> absl::StatusOr<TaskDraft> {
      absl::StatusOr<std::string> bytes = content(item);
      if (!bytes.ok()) return bytes.status();
      return TaskDraft{type, Payload(*std::move(bytes), content_type), options};
    };
  }
  return [options = *options, content, files = flags.stdin_files,
          command = CommandTemplate(program, /*append_item=*/!flags.stdin_files)](
             const std::string& item) -> absl::StatusOr<TaskDraft> {
    absl::StatusOr<std::string> input = files ? content(item) : std::string();
    if (!input.ok()) return input.status();
    return DraftProgram(options, command.Fill(item), *std::move(input));
  };
}

absl::StatusOr<ItemSource> OpenItems(const Context& context, const MapFlags& flags,
                                     std::vector<std::string> listed, bool has_list) {
  if (has_list && !flags.items_path.empty()) {
    return absl::InvalidArgumentError("items come from ::: or from --items: give one of the two");
  }
  if (has_list) return ItemsOf(std::move(listed));
  return ItemsFromFile(flags.items_path.empty() ? "-" : flags.items_path,
                       flags.null_delimited ? '\0' : '\n', context.terminal);
}

ExitCode Map(Context& context, const MapFlags& flags) {
  const auto mark = std::find(context.program.begin(), context.program.end(), kItemsMark);
  const bool has_list = mark != context.program.end();
  absl::StatusOr<Draft> draft = MakeDraft(context, flags, {context.program.begin(), mark});
  if (!draft.ok()) return context.Fail(draft.status());
  absl::StatusOr<ItemSource> items =
      OpenItems(context, flags,
                has_list ? std::vector<std::string>(mark + 1, context.program.end())
                         : std::vector<std::string>(),
                has_list);
  if (!items.ok()) return context.Fail(items.status());

  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  MapOptions options;
  options.queue = flags.queue;
  options.jobs = flags.jobs;
  options.keep_going = flags.keep_going;
  options.tag = flags.tag;
  options.draft = *std::move(draft);
  return MapRun(context, **client, std::move(options), *std::move(items)).Run();
}

}  // namespace

void AddMapCommand(CLI::App& root, Command& chosen) {
  auto flags = std::make_shared<MapFlags>();
  CLI::App& command = AddSubcommand(
      root, "map", "Runs a program once for each item; writes the results in the items' order.",
      "Items follow :::, or are the lines of standard input. {} in the program's arguments "
      "becomes\n"
      "the item; without any {} the item is the last argument. With --type the item is the "
      "payload\n"
      "of a task for the handler of that name.\n"
      "\n"
      "It goes on while the broker is restarted. The first failure, and Ctrl-C, cancel what is "
      "under\n"
      "way.\n"
      "\n"
      "Examples:\n"
      "  treadle map -- /usr/bin/basename {} .txt ::: a.txt b.txt c.txt\n"
      "  treadle map --stdin-files --tag -- /usr/bin/wc -w ::: *.txt\n"
      "  find . -type f -print0 | treadle map -0 --stdin-files -- /usr/bin/sha256sum > sums\n"
      "  seq 1000 | treadle map --jobs 50 --keep-going -- /usr/bin/factor\n"
      "  treadle map --type resize --output json ::: a.png b.png | jq -r .task_id\n");
  program::AddText(command, "-a,--items", flags->items_path, "FILE",
                   "Read the items from this file, one a line. Default: standard input.");
  AddFlag(command, "-0,--null", flags->null_delimited,
          "Items end with a NUL byte rather than a newline, as find -print0 writes them.");
  AddFlag(command, "--stdin-files", flags->stdin_files,
          "Each item names a file, whose content becomes the program's standard input "
          "(or the payload).");
  AddFlag(command, "-k,--keep-going", flags->keep_going,
          "Go on after an item failed. Without it the first failure cancels the rest.");
  AddFlag(command, "--tag", flags->tag, "Begin each line of output with its item and a tab.");
  program::AddCount(command, "-j,--jobs", flags->jobs, 1, 1'000'000,
                    "How many items may be under way at once.");
  AddSubmitFlags(command, *flags, limits::kWaitIfFullMsMax);
  TakesProgram(command, "A program that workers may run, its arguments, and after ::: the items.");
  command.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Map(context, *flags); }; });
}

}  // namespace treadle::cli
