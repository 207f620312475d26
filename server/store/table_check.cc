#include "server/store/table_check.h"

#include "absl/strings/str_cat.h"
#include "rocksdb/sst_file_reader.h"

#include "server/store/recovery_check.h"

namespace treadle::store {

absl::Status CheckTables(const std::string& directory, const Manifest& manifest,
                         const rocksdb::Options& options) {
  for (const auto& [number, bytes] : manifest.tables) {
    const std::string path = absl::StrCat(directory, "/", TableName(number));
    const rocksdb::Status opened = rocksdb::SstFileReader(options).Open(path);
    if (opened.ok()) continue;
    return absl::DataLossError(absl::StrCat("'", path, "' is damaged: restore the data directory ",
                                            "from a backup (", opened.ToString(), ")"));
  }
  return absl::OkStatus();
}

}  // namespace treadle::store
