#include "client/cli/complete.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/cli/contexts.h"
#include <CLI/CLI.hpp>

#include "proto/search/complete.h"
#include "proto/search/lexis.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::cli {
namespace {

// Somebody waits at the keyboard.
constexpr int64_t kAskMs = 500;
constexpr int32_t kTasksMax = 100;

constexpr char kFiles[] = ":files";
constexpr char kProgram[] = "PROGRAM";
constexpr char kFilter[] = "FILTER";

struct Candidate {
  std::string word;
  std::string about;
};
using Candidates = std::vector<Candidate>;

std::vector<CLI::App*> CommandsOf(CLI::App& app) {
  return app.get_subcommands([](CLI::App* command) { return !command->get_group().empty(); });
}

CLI::Option* FindOption(CLI::App& app, const std::string& name) {
  CLI::Option* const option = app.get_option_no_throw(name);
  if (option != nullptr || app.get_parent() == nullptr) return option;
  return FindOption(*app.get_parent(), name);
}

// "Only this queue's." of a longer text.
std::string Brief(const std::string& text) { return text.substr(0, text.find(". ")); }

Candidates OptionsOf(const CLI::App& app) {
  Candidates found;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* const option : at->get_options()) {
      if (option->get_group().empty() || option->get_positional()) continue;
      // --help is in every command, once is enough.
      if (at != &app && option == at->get_help_ptr()) continue;
      for (const std::string& name : option->get_lnames()) {
        found.push_back({"--" + name, Brief(option->get_description())});
      }
    }
  }
  return found;
}

std::unique_ptr<Client> Ask(const Context& context) {
  ClientOptions options;
  options.call_timeout = std::chrono::milliseconds(kAskMs);
  auto client = context.Connect(std::move(options));
  return client.ok() ? *std::move(client) : nullptr;
}

Candidates Queues(const Context& context) {
  Candidates found;
  const auto client = Ask(context);
  if (client == nullptr) return found;
  const auto queues = client->ListQueues();
  if (!queues.ok()) return found;
  for (const v1::Queue& queue : *queues) {
    found.push_back({queue.config().name(), DisciplineName(queue.config().discipline())});
  }
  return found;
}

Candidates Workers(const Context& context, bool types) {
  Candidates found;
  const auto client = Ask(context);
  if (client == nullptr) return found;
  const auto workers = client->ListWorkers();
  if (!workers.ok()) return found;
  for (const v1::Worker& worker : *workers) {
    if (!types) found.push_back({worker.name(), worker.worker_id()});
    for (const v1::WorkerPoolStats& pool : worker.pools()) {
      for (const std::string& type : pool.types()) {
        if (types) found.push_back({type, "on " + worker.name()});
      }
    }
  }
  return found;
}

Candidates Tasks(const Context& context) {
  Candidates found;
  const auto client = Ask(context);
  if (client == nullptr) return found;
  v1::ListTasksRequest request;
  request.set_include_finished(true);
  request.set_page_size(kTasksMax);
  const auto page = client->ListTasks(request);
  if (!page.ok()) return found;
  for (const v1::Task& task : page->tasks()) {
    found.push_back({task.task_id(), StateName(task.state()) + " " + task.type()});
  }
  return found;
}

Candidates ContextNames() {
  Candidates found;
  const absl::StatusOr<Contexts> contexts = Contexts::Load();
  if (!contexts.ok()) return found;
  for (const auto& [name, entry] : contexts->entries) found.push_back({name, entry.broker});
  return found;
}

Candidates Words(absl::string_view text, char separator) {
  Candidates found;
  for (const absl::string_view word : absl::StrSplit(text, separator)) {
    found.push_back({std::string(word), ""});
  }
  return found;
}

// The word of a filter that `last` begins.
Candidates FilterWords(const Context& context, const std::string& last) {
  search::Completion completion = search::Complete(last);
  Candidates found;
  for (search::Suggestion& suggestion : completion.suggestions) {
    found.push_back({std::move(suggestion.word), std::move(suggestion.about)});
  }
  if (!completion.names_of.has_value()) return found;
  for (Candidate& name : *completion.names_of == search::Field::kQueue
                             ? Queues(context)
                             : Workers(context, *completion.names_of == search::Field::kType)) {
    const bool bare = search::IsBareValue(name.word);
    found.push_back(
        {completion.before + (bare ? name.word : search::Quote(name.word)), std::move(name.about)});
  }
  return found;
}

bool TakesFilter(const CLI::App& app) { return app.get_option_no_throw(kFilter) != nullptr; }

// What an option or an argument may be, by what its help calls it; `last` is what is written of it.
Candidates ValuesOf(const Context& context, const CLI::App& app, const CLI::Option& option,
                    const std::string& last) {
  const std::string& text = option.get_option_text();
  const bool positional = option.get_positional();
  const std::string name = option.get_name(positional, !positional);
  const std::string group = app.get_parent() == nullptr ? "" : app.get_parent()->get_name();
  if (name == kFilter || text == kFilter) return FilterWords(context, last);
  if (text.find("FILE") != std::string::npos) return {{kFiles, ""}};
  if (text.find('|') != std::string::npos) return Words(text, '|');
  if (absl::StrContains(name, "--queue")) return Queues(context);
  if (absl::StrContains(name, "--context")) return ContextNames();
  if (absl::StrContains(name, "--type")) return Workers(context, /*types=*/true);
  if (absl::StrContains(name, "--worker") || name == "WORKER") {
    return Workers(context, /*types=*/false);
  }
  if (absl::StrContains(name, "--state")) {
    Candidates states;
    for (const std::string_view state : search::ChoicesOf(search::Field::kState)) {
      states.push_back({std::string(state), ""});
    }
    return states;
  }
  if (name == "ID") return Tasks(context);
  if (name == "NAME" && group == "context" && app.get_name() != "set") return ContextNames();
  if (name == "NAME" && group == "queue" && app.get_name() != "create") return Queues(context);
  return {};
}

// How far a command line is understood.
struct Cursor {
  CLI::App* app = nullptr;
  CLI::Option* option = nullptr;  // whose value comes next
  size_t arguments = 0;
  bool program = false;  // what comes is a program's own
};

void TakeValue(Context& context, const CLI::Option& option, const std::string& value) {
  const std::string name = option.get_name(false, true);
  if (absl::StrContains(name, "--broker")) {
    context.broker = value;
    context.broker_given = true;
  }
  if (absl::StrContains(name, "--context")) context.context_name = value;
}

Cursor Walk(Context& context, CLI::App& root, const std::vector<std::string>& words) {
  Cursor cursor{&root};
  for (const std::string& word : words) {
    if (cursor.option != nullptr) {
      TakeValue(context, *std::exchange(cursor.option, nullptr), word);
    } else if (word == "--") {
      cursor.program = true;
      return cursor;
    } else if (word.size() > 1 && word.front() == '-') {
      const size_t equals = word.find('=');
      CLI::Option* const option = FindOption(*cursor.app, word.substr(0, equals));
      if (option == nullptr || option->get_items_expected_max() == 0) continue;
      if (equals == std::string::npos) {
        cursor.option = option;
      } else {
        TakeValue(context, *option, word.substr(equals + 1));
      }
    } else {
      const std::vector<CLI::App*> commands = CommandsOf(*cursor.app);
      const auto command = std::find_if(commands.begin(), commands.end(),
                                        [&](const CLI::App* sub) { return sub->check_name(word); });
      if (command != commands.end()) {
        cursor.app = *command;
      } else {
        cursor.arguments++;
        if (cursor.app->get_option_no_throw(kProgram) != nullptr) {
          cursor.program = true;
          return cursor;
        }
      }
    }
  }
  return cursor;
}

Candidates ArgumentsOf(const Context& context, const Cursor& cursor, const std::string& last) {
  if (cursor.program) return {{kFiles, ""}};
  Candidates found;
  for (const CLI::App* const command : CommandsOf(*cursor.app)) {
    found.push_back({command->get_name(), Brief(command->get_description())});
  }
  if (!found.empty()) return found;
  if (cursor.app->get_option_no_throw(kProgram) != nullptr) return {{kFiles, ""}};
  size_t at = 0;
  for (const CLI::Option* const option : cursor.app->get_options()) {
    if (!option->get_positional()) continue;
    if (at++ == cursor.arguments || option->get_items_expected_max() > 1) {
      return ValuesOf(context, *cursor.app, *option, last);
    }
  }
  return found;
}

}  // namespace

ExitCode Complete(Context& context, CLI::App& root, const std::vector<std::string>& words) {
  context.connect_timeout_ms = kAskMs;
  const std::string last = words.empty() ? "" : words.back();
  const Cursor cursor =
      Walk(context, root, {words.begin(), words.empty() ? words.end() : words.end() - 1});
  // A broker that cannot be told has no names to offer.
  if (!context.ChooseBroker().ok()) context.broker.clear();
  Candidates found;
  std::string before;  // of the last word, what is not completed
  if (cursor.option != nullptr) {
    found = ValuesOf(context, *cursor.app, *cursor.option, last);
  } else if (const size_t equals = last.find('=');
             !cursor.program && last.rfind("--", 0) == 0 && equals != std::string::npos) {
    before = last.substr(0, equals + 1);
    CLI::Option* const option = FindOption(*cursor.app, last.substr(0, equals));
    if (option != nullptr) {
      found = ValuesOf(context, *cursor.app, *option, last.substr(equals + 1));
    }
  } else if (!cursor.program && last.rfind('-', 0) == 0) {
    found = OptionsOf(*cursor.app);
    if (TakesFilter(*cursor.app) && last.rfind("--", 0) != 0) {
      const Candidates negated = FilterWords(context, last);
      found.insert(found.end(), negated.begin(), negated.end());
    }
  } else {
    found = ArgumentsOf(context, cursor, last);
  }
  std::string text;
  for (const Candidate& candidate : found) {
    const std::string word = before + candidate.word;
    if (candidate.word != kFiles && word.rfind(last, 0) != 0) continue;
    // What would break the line is nothing that a shell could offer.
    if ((word + candidate.about).find_first_of("\n\t") != std::string::npos) continue;
    text += (candidate.word == kFiles ? candidate.word : word) +
            (candidate.about.empty() ? "" : "\t" + candidate.about) + "\n";
  }
  return context.Write(text);
}

}  // namespace treadle::cli
