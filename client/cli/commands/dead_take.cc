#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/commands/bulk_job.h"
#include "client/cli/commands/task_filter.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/dead_letter_view.h"
#include "client/cli/flags.h"
#include "client/cli/view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"
#include "proto/wire/status.h"

// Dead letters that are redriven, or deleted: those that are named, or all that filters take.

namespace treadle::cli {
namespace {

struct TakeFlags : BulkFlags {
  bool redrive = false;
  std::vector<std::string> ids;
  std::string queue;
  std::string type;
  std::string group;
  std::string into;
  TaskFilter filter;  // its words
  std::string filter_text;
  int64_t max_attempts = 0;

  bool filtered() const {
    return !queue.empty() || !type.empty() || !group.empty() || !filter.empty();
  }
  const char* verb() const { return redrive ? "redrive" : "delete"; }
};

// What came of it.
struct Taken {
  int64_t taken = 0;
  int64_t gone = 0;     // somebody else had them
  int64_t refused = 0;  // their tasks
  absl::Status first_refusal;
};

// Of the first ones; the rest are left alone. What one item says is counted, and is no failure of
// the call.
void Count(const v1::ItemStatus& item, Taken& sum) {
  const absl::Status status = wire::FromItem(item);
  if (status.ok()) {
    ++sum.taken;
  } else if (absl::IsNotFound(status)) {
    ++sum.gone;
  } else if (sum.refused++ == 0) {
    sum.first_refusal = status;
  }
}

absl::Status Take(Client& client, const TakeFlags& flags, const std::vector<std::string>& ids,
                  Taken& sum) {
  if (flags.redrive) {
    v1::RedriveDeadLettersRequest request;
    request.mutable_task_ids()->Assign(ids.begin(), ids.end());
    request.set_queue(flags.into);
    request.set_max_attempts(static_cast<int32_t>(flags.max_attempts));
    const auto response = client.RedriveDeadLetters(request);
    if (!response.ok()) return response.status();
    for (const v1::RedriveResult& result : response->results()) Count(result.status(), sum);
  } else {
    v1::DeleteDeadLettersRequest request;
    request.mutable_task_ids()->Assign(ids.begin(), ids.end());
    const auto response = client.DeleteDeadLetters(request);
    if (!response.ok()) return response.status();
    for (const v1::ItemStatus& result : response->results()) Count(result, sum);
  }
  return absl::OkStatus();
}

constexpr size_t kBatch = 200;

ExitCode TakeNamed(Context& context, Client& client, const TakeFlags& flags) {
  Taken sum;
  absl::Status status;
  for (auto id = flags.ids.begin(); status.ok() && id != flags.ids.end();) {
    const auto end = id + std::min<std::ptrdiff_t>(kBatch, flags.ids.end() - id);
    status = Take(client, flags, std::vector<std::string>(id, end), sum);
    id = end;
  }
  const char* const done = flags.redrive ? "redriven" : "deleted";
  ExitCode printed = ExitCode::kOk;
  if (context.table()) {
    std::string line = fmt::format("{} {}", HumanCount(sum.taken, "dead letter"), done);
    if (sum.gone > 0) line += fmt::format(", {} not there any more", sum.gone);
    if (sum.refused > 0) line += fmt::format(", {} not accepted", sum.refused);
    printed = context.Print(line + "\n");
  } else {
    printed =
        PrintObject(context, Json{{done, sum.taken}, {"gone", sum.gone}, {"refused", sum.refused}});
  }
  if (!status.ok()) return context.FailCall(status);
  return sum.refused > 0 ? context.FailCall(sum.first_refusal) : printed;
}

// visit(letter) until it is false, of those that the filters take and that failed by now: what
// fails again meanwhile is not among them.
template <typename Visit>
absl::Status ForEachLetter(Client& client, const TakeFlags& flags, Visit visit) {
  const absl::StatusOr<v1::ServerInfo> server = client.GetServerInfo();
  if (!server.ok()) return server.status();
  v1::ListDeadLettersRequest request;
  request.set_queue(flags.queue);
  request.set_type(flags.type);
  request.set_group(flags.group);
  request.set_filter(flags.filter_text);
  request.set_page_size(limits::kPageSizeMax);
  do {
    const absl::StatusOr<v1::ListDeadLettersResponse> page = client.ListDeadLetters(request);
    if (!page.ok()) return page.status();
    for (const v1::DeadLetter& letter : page->dead_letters()) {
      if (letter.task().finished_at_ms() > server->now_ms() || !visit(letter)) {
        return absl::OkStatus();
      }
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

// Of whole groups, as the broker counts them: no dead letter is read for it.
absl::StatusOr<int64_t> CountLetters(Client& client, const TakeFlags& flags) {
  int64_t count = 0;
  v1::ListDeadLetterGroupsRequest request;
  request.set_queue(flags.queue);
  request.set_page_size(limits::kPageSizeMax);
  do {
    const absl::StatusOr<v1::ListDeadLetterGroupsResponse> page =
        client.ListDeadLetterGroups(request);
    if (!page.ok()) return page.status();
    for (const v1::DeadLetterGroup& group : page->groups()) {
      const bool of_group = flags.group.empty() || group.group() == flags.group;
      const bool of_type = flags.type.empty() || group.type().empty() || group.type() == flags.type;
      if (of_group && of_type) count += group.count();
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return count;
}

ExitCode DryRun(Context& context, Client& client, const TakeFlags& flags) {
  Listing<v1::DeadLetter> listing(context, kDeadLetterView);
  ExitCode printed = ExitCode::kOk;
  const absl::Status status = ForEachLetter(client, flags, [&](const v1::DeadLetter& letter) {
    printed = listing.Add(letter);
    return printed == ExitCode::kOk;
  });
  if (!status.ok()) return context.FailCall(status);
  if (printed == ExitCode::kOk) printed = listing.Finish();
  if (context.table()) {
    context.terminal.Complain(fmt::format(
        "{} would be {}", HumanCount(static_cast<int64_t>(listing.count()), "dead letter"),
        flags.redrive ? "redriven" : "deleted"));
  }
  return printed;
}

v1::JobSpec ToJob(const TakeFlags& flags) {
  v1::JobSpec spec;
  v1::DeadLetterSelection letters;
  letters.set_queue(flags.queue);
  letters.set_type(flags.type);
  letters.set_group(flags.group);
  letters.set_filter(flags.filter_text);
  if (flags.redrive) {
    v1::RedriveAction& redrive = *spec.mutable_redrive_dead_letters();
    *redrive.mutable_letters() = letters;
    redrive.set_queue(flags.into);
    redrive.set_max_attempts(static_cast<int32_t>(flags.max_attempts));
  } else {
    *spec.mutable_delete_dead_letters()->mutable_letters() = letters;
  }
  return spec;
}

ExitCode TakeFiltered(Context& context, Client& client, const TakeFlags& flags) {
  const v1::JobSpec spec = ToJob(flags);
  if (!flags.yes) {
    absl::StatusOr<std::optional<int64_t>> count;
    if (flags.filter_text.empty()) {
      count = CountLetters(client, flags);
    } else {
      count = CountMatches(context, client, spec);
    }
    if (!count.ok()) return context.FailCall(count.status());
    if (!count->has_value()) return ExitCode::kInterrupted;
    if (**count > 0) {
      const std::string what =
          fmt::format("{} {} of queue {}", flags.verb(), HumanCount(**count, "dead letter"),
                      Printable(flags.queue));
      if (const ExitCode no = Confirm(context, flags, what); no != ExitCode::kOk) return no;
    }
  }
  return RunJob(context, client, flags, spec);
}

ExitCode Run(Context& context, TakeFlags flags) {
  if (flags.filtered() != flags.ids.empty()) {
    return context.Fail(absl::InvalidArgumentError(
        flags.filtered() ? "ids and filters exclude each other: give one of the two"
                         : fmt::format("nothing to {}: give ids, or --queue", flags.verb())));
  }
  if (flags.filtered() && flags.queue.empty()) {
    return context.Fail(absl::InvalidArgumentError("--queue: absent; name the queue"));
  }
  const absl::StatusOr<search::Filter> filter = flags.filter.Read();
  if (!filter.ok()) return context.Fail(filter.status());
  flags.filter_text = filter->ToString();
  if (!flags.filtered() && (flags.dry_run || flags.detach || flags.rate > 0)) {
    return context.Fail(absl::InvalidArgumentError(
        "--dry-run, --rate and --detach are for filters: ids are taken at once"));
  }
  if (absl::Status s = CheckObjectOutput(context, "this counts dead letters");
      !flags.filtered() && !s.ok()) {
    return context.Fail(s);
  }
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  if (flags.dry_run) return DryRun(context, **client, flags);
  return flags.filtered() ? TakeFiltered(context, **client, flags)
                          : TakeNamed(context, **client, flags);
}

CLI::App& AddTake(CLI::App& dead, const std::string& name, const std::string& description,
                  const std::string& examples, TakeFlags& flags) {
  CLI::App& take = AddSubcommand(dead, name, description, examples);
  take.add_option("ID", flags.ids, "The task's id; several are fine.");
  program::AddText(take, "-q,--queue", flags.queue, "QUEUE", "All that this queue keeps.");
  program::AddText(take, "--type", flags.type, "TYPE", "Of these, only tasks of this type.");
  program::AddText(take, "--group", flags.group, "GROUP",
                   "Of these, only this group's, as treadle dead groups shows it.");
  AddFilterOption(take, flags.filter);
  AddBulkFlags(take, flags, "taken", "Why: treadle job list -o wide shows it.");
  return take;
}

}  // namespace

void AddTakeCommands(CLI::App& dead, Command& chosen) {
  auto redriven = std::make_shared<TakeFlags>();
  redriven->redrive = true;
  CLI::App& redrive = AddTake(
      dead, "redrive", "Submits tasks again that had failed, and drops their dead letters.",
      "Each has a new id, and may run at once. By ids, or by filters: these ask first (without a\n"
      "terminal they want --yes), and begin a job of the broker, which goes on whatever becomes "
      "of\n"
      "this command. What fails again meanwhile is left alone. It waits while the queue is full.\n"
      "\n"
      "Examples:\n"
      "  treadle dead redrive cnsef1k6a7-1k9\n"
      "  treadle dead redrive --queue mail --group 3f0a51c2d4e6b780 --dry-run\n"
      "  treadle dead redrive --queue mail --filter 'error~timeout finished<2h' --yes\n"
      "  treadle dead redrive --queue mail --into mail-slow --rate 50 --yes\n",
      *redriven);
  program::AddText(redrive, "--into", redriven->into, "QUEUE",
                   "Submit to this queue, not to the one that they failed in.");
  program::AddCount(redrive, "--attempts", redriven->max_attempts, 0, limits::kAttemptsMax,
                    "How often each may be tried. 0: as it was.");
  redrive.callback([&chosen, redriven] {
    chosen = [redriven](Context& context) { return Run(context, *redriven); };
  });

  auto deleted = std::make_shared<TakeFlags>();
  CLI::App& remove =
      AddTake(dead, "delete", "Drops dead letters.",
              "By ids, or by filters: these ask first (without a terminal they want --yes), and\n"
              "begin a job of the broker, which goes on whatever becomes of this command.\n"
              "\n"
              "Examples:\n"
              "  treadle dead delete cnsef1k6a7-1k9\n"
              "  treadle dead delete --queue mail --type newsletter --yes\n",
              *deleted);
  remove.callback([&chosen, deleted] {
    chosen = [deleted](Context& context) { return Run(context, *deleted); };
  });
}

}  // namespace treadle::cli
