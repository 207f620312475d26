#pragma once

#include <httplib.h>
#include <string>

#include "absl/status/statusor.h"

#include "treadle/permanent_error.h"
#include "treadle/task_type.h"

// The HTTP status of a page: host, path.
inline constexpr treadle::TaskType<int(std::string, std::string)> kFetch{"example.fetch"};

inline absl::StatusOr<int> Fetch(const std::string& host, const std::string& path) {
  httplib::Client client("http://" + host);
  const httplib::Result result = client.Get(path);
  if (result) return result->status;
  return treadle::Permanent(
      absl::UnavailableError(host + path + ": " + httplib::to_string(result.error())));
}
