#include "server/store/rocks_status.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "proto/support/text.h"
#include "server/store/file.h"

namespace treadle::store {

bool WantsDescriptors(const rocksdb::Status& status) {
  if (!status.IsIOError()) return false;
  const std::string reason = status.ToString();
  return absl::StrContains(reason, std::strerror(EMFILE)) ||
         absl::StrContains(reason, std::strerror(ENFILE));
}

absl::Status RocksError(const rocksdb::Status& status, std::string_view directory) {
  // The name that it tries last for a file that is not there.
  const std::string reason = absl::StrReplaceAll(status.ToString(), {{".ldb", ".sst"}});
  const std::string data_directory = absl::StrCat("data directory '", Absl(directory), "' ");
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(data_directory, "is on a full disk: free some space (", reason, ")"));
  }
  if (WantsDescriptors(status)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        data_directory, "needs another file open, and no descriptor is left: raise the limit ",
        "(ulimit -n; LimitNOFILE= in a systemd unit), then start again (", reason, ")"));
  }
  if (status.IsIOError()) {
    if (absl::StrContains(reason, "While lock file") || absl::StrContains(reason, "lock hold by")) {
      return absl::FailedPreconditionError(
          absl::StrCat(data_directory, "is in use by another process: stop it (", reason, ")"));
    }
    if (absl::StrContains(reason, std::strerror(EROFS))) {
      return absl::FailedPreconditionError(
          absl::StrCat(data_directory, kReadOnlyAdvice, " (", reason, ")"));
    }
    if (absl::StrContains(reason, std::strerror(EACCES))) {
      return absl::PermissionDeniedError(
          absl::StrCat(data_directory, "cannot be used: run as the user that owns it, or give it ",
                       "to the user that runs (chown) (", reason, ")"));
    }
  }
  if (status.IsIOError() && !status.IsPathNotFound()) {
    return absl::DataLossError(absl::StrCat(
        data_directory, "is on a device that failed: check the device, then start again (", reason,
        ")"));
  }
  return absl::DataLossError(
      absl::StrCat(data_directory, "is damaged: restore it from a backup (", reason, ")"));
}

}  // namespace treadle::store
