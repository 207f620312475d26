#include "client/cli/top/canvas.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_split.h"
#include "client/cli/console/human.h"

namespace treadle::cli::top {
namespace {

constexpr int kMarkColumns = 2;  // before a row that can be selected

Lines Split(const std::string& text) {
  Lines lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

bool IsColour(Style style) {
  return style == Style::kGreen || style == Style::kYellow || style == Style::kRed;
}

}  // namespace

std::string Canvas::Line(const std::string& text) const {
  return columns == 0 ? text : CutToWidth(text, columns);
}

std::string Canvas::Line(const std::string& text, Style style) const {
  const bool has_it = IsColour(style) ? colour : styles;
  return has_it ? Paint(style, Line(text)) : Line(text);
}

std::string Canvas::Parts(const std::vector<std::string>& parts) const {
  std::string line;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    const std::string longer = line.empty() ? part : line + "  " + part;
    if (!line.empty() && columns > 0 && DisplayWidth(longer) > columns) break;
    line = longer;
  }
  return line;
}

Lines Canvas::Of(const Table& table, std::optional<size_t> selected) const {
  const int width = columns == 0 ? 0 : std::max(1, columns - (keys ? kMarkColumns : 0));
  const Lines plain = Split(table.Render(width));
  const Lines painted = Split(table.Render(width, colour));
  Lines lines;
  for (size_t i = 0; i < plain.size(); i++) {
    const bool chosen = keys && selected.has_value() && i == *selected + 1;
    const std::string mark = !keys ? "" : chosen ? "> " : "  ";
    if (i == 0) {
      lines.push_back(Line(mark + plain[i], Style::kBold));
    } else if (chosen) {
      std::string row = Line(mark + plain[i]);
      if (styles) row.append(static_cast<size_t>(std::max(0, columns - DisplayWidth(row))), ' ');
      lines.push_back(Line(row, Style::kReverse));
    } else {
      const bool fits = width == 0 || DisplayWidth(plain[i]) <= width;
      lines.push_back(fits ? mark + painted[i] : Line(mark + plain[i]));
    }
  }
  return lines;
}

Lines Canvas::Of(const Sheet& sheet) const {
  Lines lines;
  for (const std::string& line : Split(sheet.Render(0))) lines.push_back(Line(line));
  return lines;
}

void Append(Lines more, int rows, Lines& lines) {
  const auto fit = static_cast<size_t>(std::clamp(rows, 0, static_cast<int>(more.size())));
  std::move(more.begin(), more.begin() + static_cast<std::ptrdiff_t>(fit),
            std::back_inserter(lines));
}

}  // namespace treadle::cli::top
