#include "client/cli/view.h"

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

}  // namespace treadle::cli
