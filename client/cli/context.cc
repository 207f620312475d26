#include "client/cli/context.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <pwd.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_join.h"
#include "client/cli/contexts.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/support/address.h"

namespace treadle::cli {

absl::Status Context::ChooseBroker() {
  if (broker_given) return absl::OkStatus();
  const char* const environment = std::getenv("TREADLE_BROKER");
  if (context_name.empty() && environment != nullptr) {
    broker = environment;
    return BrokerAddress({}).status();  // reads and checks the same
  }
  const absl::StatusOr<Contexts> contexts = Contexts::Load();
  if (!contexts.ok()) return contexts.status();
  const std::string& name = context_name.empty() ? contexts->current : context_name;
  if (name.empty()) return absl::OkStatus();
  const absl::StatusOr<Contexts::Entry> entry = contexts->Find(name);
  if (!entry.ok()) return entry.status();
  broker = entry->broker;
  http_proxy = http_proxy || entry->http_proxy;
  return absl::OkStatus();
}

namespace {

// "ann@build-7", as far as it is ASCII.
std::string UserAtHost() {
  const passwd* const user = getpwuid(geteuid());
  std::string name = user != nullptr ? user->pw_name : std::to_string(geteuid());
  char host[HOST_NAME_MAX + 1] = {};
  if (gethostname(host, sizeof(host) - 1) == 0) name += std::string("@") + host;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return name.substr(0, limits::kNameBytesMax);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Context::Connect(ClientOptions options) const {
  options.address = broker;
  options.http_proxy = http_proxy;
  options.actor = UserAtHost();
  options.connect_timeout = std::chrono::milliseconds(connect_timeout_ms);
  options.shutdown_timeout = std::chrono::milliseconds(500);
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(std::move(options));
  if (absl::IsUnavailable(client.status()) || absl::IsDeadlineExceeded(client.status())) {
    const std::string message(client.status().message());
    const size_t cause = std::min(message.find('('), message.size());
    return absl::UnavailableError(fmt::format(
        "no broker answers at {}{}: start treadle-server there, or name another with "
        "--broker or TREADLE_BROKER\n{}",
        broker, http_proxy ? " through the environment's http_proxy" : "", message.substr(cause)));
  }
  if (absl::IsUnimplemented(client.status())) {
    return absl::UnavailableError(
        fmt::format("what answers at {} is not a Treadle broker of this version: name another with "
                    "--broker or TREADLE_BROKER",
                    broker));
  }
  return client;
}

ExitCode Context::Fail(const absl::Status& status) const {
  terminal.Complain(std::string(status.message()));
  return ExitCodeFor(status);
}

ExitCode Context::FailCall(const absl::Status& status) const {
  const ExitCode code = Fail(status);
  return code == ExitCode::kTimeout ? ExitCode::kUnreachable : code;
}

bool Context::coloured() const {
  if (color != "auto") return color == "always";
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  return terminal.out_columns() > 0 && (no_color == nullptr || *no_color == '\0') &&
         term != nullptr && std::string_view(term) != "dumb";
}

absl::Status Context::CheckOutput(const std::vector<std::string>& forms,
                                  const std::string& what) const {
  if (std::find(forms.begin(), forms.end(), output) != forms.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("--output {}: {}: use {}", output, what, absl::StrJoin(forms, ", ")));
}

ExitCode Context::Print(const std::string& text) const {
  if (quiet()) return ExitCode::kOk;
  if (frame == nullptr) return Write(text);
  *frame += text;
  return ExitCode::kOk;
}

ExitCode Context::Write(const std::string& text) const {
  errno = 0;
  terminal.out << text << std::flush;
  if (terminal.out) return ExitCode::kOk;
  if (errno == EPIPE) return ExitCode::kReaderGone;
  terminal.Complain("cannot write to standard output: is the disk full?");
  return ExitCode::kOther;
}

std::string Context::BrokerFlag() const {
  return broker == limits::kDefaultAddress ? "" : " --broker " + broker;
}

CLI::App& AddSubcommand(CLI::App& parent, const std::string& name, const std::string& summary,
                        const std::string& notes) {
  CLI::App* command = parent.add_subcommand(name, summary);
  command->footer(notes);
  command->group("Commands")->fallthrough();
  return *command;
}

std::string OtherForm(const CLI::App& parent, const std::string& name) {
  return parent.get_parent() == nullptr ? "It is short for treadle task " + name + ".\n"
                                        : "Its short form is treadle " + name + ".\n";
}

}  // namespace treadle::cli
