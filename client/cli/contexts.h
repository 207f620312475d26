#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace treadle::cli {

// Brokers by name, in the user's own file: $XDG_CONFIG_HOME/treadle/contexts.json, or
// ~/.config/treadle/contexts.json:
//
//   {"current": "prod", "contexts": {"prod": {"broker": "10.0.0.7:7733", "http_proxy": false}}}
struct Contexts {
  struct Entry {
    std::string broker;
    bool http_proxy = false;
  };

  std::string current;  // empty: none
  std::map<std::string, Entry> entries;

  // Without a file: none. Errors name the file and what to do.
  static absl::StatusOr<Contexts> Load();
  // Replaces the file whole, or leaves it as it was.
  absl::Status Save() const;

  // NOT_FOUND says which there are.
  absl::StatusOr<Entry> Find(const std::string& name) const;
};

}  // namespace treadle::cli
