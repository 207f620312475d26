#include "client/cli/map/results_folder.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace treadle::cli {
namespace {

namespace fs = std::filesystem;

// Of a file's name, on every file system that is in use.
constexpr size_t kNameBytesMax = 255;

std::string NameOf(const std::string& value, int64_t number) {
  if (value.empty()) return "\\z";
  std::string name = absl::StrReplaceAll(
      value,
      {{"\\", "\\\\"}, {"/", "\\_"}, {"\t", "\\t"}, {"\n", "\\n"}, {std::string(1, '\0'), "\\0"}});
  if (name == ".") return "\\.";
  if (name == "..") return "\\..";
  if (name.size() <= kNameBytesMax) return name;
  const std::string end = absl::StrCat("\\+", value.size(), "#", number);
  return name.substr(0, kNameBytesMax - end.size()) + end;
}

absl::Status Write(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("'", path.string(), "' cannot be written: is there room, and may you?"));
}

}  // namespace

std::string FolderOf(const std::string& root, const Item& item) {
  std::string path = root;
  for (size_t i = 0; i < item.values.size(); ++i) {
    absl::StrAppend(&path, "/", i + 1, "/", NameOf(item.values[i], item.number));
  }
  if (item.values.empty()) absl::StrAppend(&path, "/", item.number);
  return path;
}

absl::Status KeepResult(const std::string& root, const Item& item, const std::string& out,
                        const std::string& err) {
  const fs::path folder = FolderOf(root, item);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("--results: '", folder.string(), "' cannot be made: ", error.message()));
  }
  absl::Status status = Write(folder / "stdout", out);
  if (status.ok()) status = Write(folder / "stderr", err);
  if (status.ok()) status = Write(folder / "seq", std::to_string(item.number));
  return status;
}

}  // namespace treadle::cli
