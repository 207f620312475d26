#include "client/cli/contexts.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include "client/cli/console/json.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "proto/support/address.h"

namespace treadle::cli {
namespace {

absl::StatusOr<std::filesystem::path> FilePath() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  // A relative one is to be ignored, says the XDG base directory specification.
  if (config != nullptr && *config == '/') {
    return std::filesystem::path(config) / "treadle" / "contexts.json";
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    return absl::UnknownError("there is no place for contexts: set HOME, or XDG_CONFIG_HOME");
  }
  return std::filesystem::path(home) / ".config" / "treadle" / "contexts.json";
}

absl::Status Wrong(const std::filesystem::path& path, const std::string& what) {
  return absl::UnknownError(
      fmt::format("{}: {}: mend it, or remove it and make it anew with treadle context set",
                  Printable(path.string()), what));
}

absl::Status Failed(const std::filesystem::path& path, const std::string& why) {
  return absl::UnknownError(fmt::format("cannot write {}: {}", Printable(path.string()), why));
}

absl::StatusOr<Contexts> FromJson(const std::filesystem::path& path, const Json& json) {
  Contexts contexts;
  try {
    contexts.current = json.value("current", std::string());
    for (const auto& [name, entry] : json.at("contexts").items()) {
      contexts.entries[name] = {entry.at("broker").get<std::string>(),
                                entry.value("http_proxy", false)};
      const absl::Status address =
          ParseAddress(contexts.entries[name].broker, /*port_min=*/1).status();
      if (!address.ok()) {
        return Wrong(
            path, fmt::format("context '{}': {}", Printable(name), std::string(address.message())));
      }
    }
  } catch (const Json::exception& error) {
    return Wrong(path, error.what());
  }
  return contexts;
}

}  // namespace

absl::StatusOr<Contexts> Contexts::Load() {
  const auto path = FilePath();
  if (!path.ok()) return Contexts();
  std::error_code error;
  if (!std::filesystem::exists(*path, error)) return Contexts();
  std::ifstream file(*path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Wrong(*path, "it cannot be read as JSON");
  return FromJson(*path, json);
}

absl::Status Contexts::Save() const {
  const auto path = FilePath();
  if (!path.ok()) return path.status();
  Json json = {{"current", current}, {"contexts", Json::object()}};
  for (const auto& [name, entry] : entries) {
    json["contexts"][name] = {{"broker", entry.broker}, {"http_proxy", entry.http_proxy}};
  }
  std::error_code error;
  std::filesystem::create_directories(path->parent_path(), error);
  if (error) return Failed(*path, error.message());
  const std::filesystem::path whole = path->string() + fmt::format(".{}", ::getpid());
  {
    std::ofstream file(whole, std::ios::trunc);
    errno = 0;
    file << json.dump(2) << std::endl;
    if (!file) {
      const std::string why = std::strerror(errno);
      std::filesystem::remove(whole, error);
      return Failed(*path, why);
    }
  }
  std::filesystem::rename(whole, *path, error);
  return error ? Failed(*path, error.message()) : absl::OkStatus();
}

absl::StatusOr<Contexts::Entry> Contexts::Find(const std::string& name) const {
  const auto found = entries.find(name);
  if (found != entries.end()) return found->second;
  if (entries.empty()) {
    return absl::NotFoundError(
        fmt::format("no context '{}': make it with treadle context set NAME --broker HOST:PORT",
                    Printable(name)));
  }
  std::vector<std::string> names;
  for (const auto& [other, entry] : entries) names.push_back(other);
  return absl::NotFoundError(
      fmt::format("no context '{}': there are {}", Printable(name), absl::StrJoin(names, ", ")));
}

}  // namespace treadle::cli
