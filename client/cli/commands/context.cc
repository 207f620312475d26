#include "client/cli/context.h"

#include <memory>
#include <string>

#include "client/cli/console/human.h"
#include "client/cli/contexts.h"
#include "client/cli/view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/utf8.h"

namespace treadle::cli {

// A context as it is shown.
struct NamedContext {
  std::string name;
  Contexts::Entry entry;
  bool current = false;
};

Json ToJson(const NamedContext& named) {
  return {{"name", named.name},
          {"broker", named.entry.broker},
          {"http_proxy", named.entry.http_proxy},
          {"current", named.current}};
}

Fields ToFields(const NamedContext& named) { return ToFields(ToJson(named)); }

namespace {

std::string DescribeContext(const NamedContext& named, const Context& context) {
  Sheet sheet;
  sheet.Add("name", named.name);
  sheet.Add("broker", named.entry.broker);
  sheet.Add("http proxy", named.entry.http_proxy ? "yes" : "no");
  sheet.Add("current", named.current ? "yes" : "no");
  return context.Render(sheet);
}

const View<NamedContext> kContextView = {
    {{{"CURRENT"}, [](const NamedContext& c) { return c.current ? "*" : ""; }},
     {{"NAME"}, [](const NamedContext& c) { return c.name; }},
     {{"BROKER"}, [](const NamedContext& c) { return c.entry.broker; }},
     {{"HTTP-PROXY"},
      [](const NamedContext& c) { return c.entry.http_proxy ? "yes" : "no"; },
      true}},
    [](const NamedContext& c) { return c.name; },
    DescribeContext};

ExitCode List(Context& context) {
  const absl::StatusOr<Contexts> contexts = Contexts::Load();
  if (!contexts.ok()) return context.Fail(contexts.status());
  if (contexts->entries.empty() && context.table()) {
    context.terminal.Complain(
        "no contexts yet: treadle context set NAME --broker HOST:PORT makes one");
  }
  Listing<NamedContext> listing(context, kContextView);
  for (const auto& [name, entry] : contexts->entries) {
    const ExitCode code = listing.Add({name, entry, name == contexts->current});
    if (code != ExitCode::kOk) return code;
  }
  return listing.Finish();
}

ExitCode Show(Context& context, std::string name) {
  const absl::StatusOr<Contexts> contexts = Contexts::Load();
  if (!contexts.ok()) return context.Fail(contexts.status());
  if (name.empty()) name = contexts->current;
  if (name.empty()) {
    return context.Fail(absl::NotFoundError(
        "no context is in use: name one, or choose one with treadle context use NAME"));
  }
  const absl::StatusOr<Contexts::Entry> entry = contexts->Find(name);
  if (!entry.ok()) return context.Fail(entry.status());
  return PrintOne(context, kContextView, NamedContext{name, *entry, name == contexts->current});
}

// Changes and keeps; prints nothing.
ExitCode Change(Context& context, const std::function<absl::Status(Contexts&)>& change) {
  absl::StatusOr<Contexts> contexts = Contexts::Load();
  absl::Status status = contexts.status();
  if (status.ok()) status = change(*contexts);
  if (status.ok()) status = contexts->Save();
  return status.ok() ? ExitCode::kOk : context.Fail(status);
}

absl::Status Set(const Context& context, const std::string& name, Contexts& contexts) {
  if (name.empty() || name.size() > limits::kNameBytesMax || !IsPrintableUtf8(name)) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' cannot name a context: use 1 to {} bytes of text", Printable(name),
                    limits::kNameBytesMax));
  }
  if (!context.broker_given) {
    return absl::InvalidArgumentError("say which broker it stands for: --broker HOST:PORT");
  }
  contexts.entries[name] = {context.broker, context.http_proxy};
  return absl::OkStatus();
}

absl::Status Use(const std::string& name, Contexts& contexts) {
  absl::Status found = contexts.Find(name).status();
  if (found.ok()) contexts.current = name;
  return found;
}

absl::Status Delete(const std::string& name, Contexts& contexts) {
  absl::Status found = contexts.Find(name).status();
  contexts.entries.erase(name);
  if (contexts.current == name) contexts.current.clear();
  return found;
}

}  // namespace

void AddContextCommands(CLI::App& root, Command& chosen) {
  CLI::App& group = AddSubcommand(
      root, "context", "Brokers by name, in ~/.config/treadle/contexts.json.",
      "Which broker a command speaks to, the first of these that is there: --broker, --context,\n"
      "TREADLE_BROKER, the context in use, 127.0.0.1:7733.\n");
  group.require_subcommand(1);
  auto name = std::make_shared<std::string>();
  const auto add = [&group, name](const std::string& command, const std::string& summary,
                                  const std::string& example) -> CLI::App& {
    CLI::App& app = AddSubcommand(group, command, summary, "Example:\n  " + example + "\n");
    program::AddText(app, "NAME", *name, "", "The context's name.")->required(command != "show");
    return app;
  };
  const auto changes = [&chosen](auto change) {
    return [&chosen, change] {
      chosen = [change](Context& context) {
        return Change(context, [&](Contexts& contexts) { return change(context, contexts); });
      };
    };
  };
  AddSubcommand(group, "list", "Lists the contexts.", "Example:\n  treadle context list\n")
      .callback([&chosen] { chosen = List; });
  add("show", "Shows a context, without NAME the one in use.", "treadle context show")
      .callback(
          [&chosen, name] { chosen = [name](Context& context) { return Show(context, *name); }; });
  add("set", "Makes a context, or makes it anew: a broker, and --http-proxy if that is wanted.",
      "treadle context set prod --broker 10.0.0.7:7733 && treadle context use prod")
      .callback(changes(
          [name](Context& context, Contexts& contexts) { return Set(context, *name, contexts); }));
  add("use", "Makes a context the one that commands use.", "treadle context use prod")
      .callback(changes([name](Context&, Contexts& contexts) { return Use(*name, contexts); }));
  add("delete", "Forgets a context.", "treadle context delete prod")
      .callback(changes([name](Context&, Contexts& contexts) { return Delete(*name, contexts); }));
}

}  // namespace treadle::cli
