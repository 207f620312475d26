#include "client/cli/view.h"

#include <fmt/format.h>

namespace treadle::cli {

std::string CsvHeader(const Fields& fields) {
  std::vector<std::string> names;
  for (const auto& [name, value] : fields) names.push_back(name);
  return CsvLine(names);
}

std::string CsvRow(const Fields& fields) {
  std::vector<std::string> cells;
  for (const auto& [name, value] : fields) cells.push_back(value);
  return CsvLine(cells);
}

ExitCode PrintObject(const Context& context, const Json& object) {
  if (context.output == "json") return context.Print(Document(object));
  if (context.output == "jsonl") return context.Print(Line(object));
  const Fields fields = ToFields(object);
  return context.Print(CsvHeader(fields) + CsvRow(fields));
}

absl::Status CheckObjectOutput(const Context& context, const std::string& what) {
  return context.CheckOutput({"table", "wide", "json", "jsonl", "csv", "quiet"}, what);
}

ExitCode PrintNote(const Context& context, const std::string& note) {
  if (context.frame != nullptr) return context.Print(note + "\n");
  context.terminal.Complain(note);
  return ExitCode::kOk;
}

std::string FirstOnes(size_t count) {
  return fmt::format("these are the first {}; --limit shows more", count);
}

}  // namespace treadle::cli
