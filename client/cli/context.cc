#include "client/cli/context.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace treadle::cli {

absl::StatusOr<std::unique_ptr<Client>> Context::Connect(ClientOptions options) const {
  options.address = broker;
  options.http_proxy = http_proxy;
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

ExitCode Context::Print(const std::string& text) const {
  terminal.out << text << std::flush;
  if (terminal.out) return ExitCode::kOk;
  terminal.Complain("cannot write to standard output: is the disk full, or the reader gone?");
  return ExitCode::kOther;
}

std::string Context::BrokerFlag() const {
  return broker == limits::kDefaultAddress ? "" : " --broker " + broker;
}

CLI::App& AddSubcommand(CLI::App& parent, const std::string& name, const std::string& summary,
                        const std::string& notes) {
  CLI::App* command = parent.add_subcommand(name, summary);
  command->footer(notes);
  command->fallthrough();
  return *command;
}

}  // namespace treadle::cli
