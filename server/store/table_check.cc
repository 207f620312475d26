#include "server/store/table_check.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/sst_file_reader.h"

#include "server/store/file.h"

namespace treadle::store {

absl::Status CheckTables(const std::string& directory, const rocksdb::Options& options) {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".sst")) continue;
    const std::string path = absl::StrCat(directory, "/", name);
    const rocksdb::Status opened = rocksdb::SstFileReader(options).Open(path);
    if (opened.ok()) continue;
    return absl::DataLossError(absl::StrCat("'", path, "' is damaged: restore the data directory ",
                                            "from a backup (", opened.ToString(), ")"));
  }
  return absl::OkStatus();
}

}  // namespace treadle::store
