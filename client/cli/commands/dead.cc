#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/context.h"
#include "client/cli/dead_letter_view.h"
#include "client/cli/filter_words.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

struct DeadFlags : WatchFlags {
  std::string queue;
  std::string type;
  std::string group;
  std::vector<std::string> words;  // of a filter
  std::vector<std::string> ids;
  std::string id;
  int64_t limit = 100;
};

ExitCode ListLetters(const Context& context, Client& client, const DeadFlags& flags) {
  v1::ListDeadLettersRequest request;
  request.set_queue(flags.queue);
  request.set_type(flags.type);
  request.set_group(flags.group);
  const absl::StatusOr<search::Filter> filter = ParseFilter(flags.words);
  if (!filter.ok()) return context.Fail(filter.status());
  request.set_filter(filter->ToString());
  return PrintPages(
      context, kDeadLetterView, request, flags.limit, "no such dead letters",
      [&client](const auto& page) { return client.ListDeadLetters(page); },
      [](const v1::ListDeadLettersResponse& page) -> const auto& { return page.dead_letters(); });
}

ExitCode ListGroups(const Context& context, Client& client, const DeadFlags& flags) {
  v1::ListDeadLetterGroupsRequest request;
  request.set_queue(flags.queue);
  return PrintPages(
      context, kDeadLetterGroupView, request, flags.limit, "no dead letters",
      [&client](const auto& page) { return client.ListDeadLetterGroups(page); },
      [](const v1::ListDeadLetterGroupsResponse& page) -> const auto& { return page.groups(); });
}

ExitCode ShowLetters(const Context& context, Client& client, const DeadFlags& flags) {
  return PrintEach(context, flags.ids, kDeadLetterView,
                   [&client](const std::string& id) -> absl::StatusOr<v1::DeadLetter> {
                     absl::StatusOr<v1::GetDeadLetterResponse> found = client.GetDeadLetter(id);
                     if (!found.ok()) return found.status();
                     return std::move(*found->mutable_dead_letter());
                   });
}

ExitCode FetchPayload(Context& context, const DeadFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<v1::GetDeadLetterResponse> found = (*client)->GetDeadLetter(flags.id);
  if (!found.ok()) return context.FailCall(found.status());
  return PrintBytes(context, found->payload());
}

}  // namespace

void AddDeadCommands(CLI::App& root, Command& chosen) {
  CLI::App& group =
      AddSubcommand(root, "dead", "Shows tasks that failed and are kept; redrives them.", "");
  group.require_subcommand(1);
  auto look = [&chosen](const std::shared_ptr<DeadFlags>& flags, auto run) {
    return [&chosen, flags, run] {
      chosen = [flags, run](Context& context) {
        return Look(context, *flags, [&](Client& client) { return run(context, client, *flags); });
      };
    };
  };

  auto groups = std::make_shared<DeadFlags>();
  CLI::App& what = AddSubcommand(
      group, "groups", "Lists what fails, and how often: the largest groups first.",
      "A group is of tasks of one type that failed with one error: its type, and its message but\n"
      "for the numbers in it.\n"
      "\n"
      "Examples:\n"
      "  treadle dead groups\n"
      "  treadle dead groups mail -o wide --watch\n");
  program::AddText(what, "QUEUE", groups->queue, "", "Only this queue's.");
  program::AddCount(what, "--limit", groups->limit, 1, 1'000'000, "Show no more than these.");
  AddWatchFlags(what, *groups);
  what.callback(look(groups, ListGroups));

  auto letters = std::make_shared<DeadFlags>();
  CLI::App& list = AddSubcommand(
      group, "list", "Lists a queue's dead letters, those that failed first at the top.",
      "Examples:\n"
      "  treadle dead list mail\n"
      "  treadle dead list mail --group 3f0a51c2d4e6b780\n"
      "  treadle dead list mail header.tenant:acme 'finished<2h' -type:newsletter\n"
      "  treadle dead list mail --limit 100000 -o csv > dead.csv\n");
  program::AddText(list, "QUEUE", letters->queue, "", "The queue's name.")->required();
  list.add_option("FILTER", letters->words,
                  "Words of a filter, as those of treadle task list, whose --help has them all.");
  program::AddText(list, "--type", letters->type, "TYPE", "Only tasks of this type.");
  program::AddText(list, "--group", letters->group, "GROUP",
                   "Only this group's, as treadle dead groups shows it.");
  program::AddCount(list, "--limit", letters->limit, 1, 1'000'000, "Show no more than these.");
  AddWatchFlags(list, *letters);
  list.callback(look(letters, ListLetters));

  auto shown = std::make_shared<DeadFlags>();
  CLI::App& show = AddSubcommand(group, "show", "Shows all about a dead letter but its payload.",
                                 "Examples:\n"
                                 "  treadle dead show cnsef1k6a7-1k9\n"
                                 "  treadle dead show cnsef1k6a7-1k9 -o json\n");
  show.add_option("ID", shown->ids, "The task's id; several are fine.")->required();
  AddWatchFlags(show, *shown);
  show.callback(look(shown, ShowLetters));

  auto fetched = std::make_shared<DeadFlags>();
  CLI::App& payload = AddSubcommand(
      group, "payload", "Writes what a dead letter was submitted with, byte for byte.",
      "Examples:\n"
      "  treadle dead payload cnsef1k6a7-1k9 | jq .\n"
      "  treadle dead payload cnsef1k6a7-1k9 | treadle submit --type T --payload -\n");
  program::AddText(payload, "ID", fetched->id, "", "The task's id.")->required();
  payload.callback([&chosen, fetched] {
    chosen = [fetched](Context& context) { return FetchPayload(context, *fetched); };
  });
  AddTakeCommands(group, chosen);
}

}  // namespace treadle::cli
