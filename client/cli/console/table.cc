#include "client/cli/console/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_split.h"
#include "client/cli/console/colour.h"
#include "client/cli/console/human.h"

#include "proto/support/assert.h"

namespace treadle::cli {
namespace {

constexpr int kGap = 2;
constexpr int kLastColumnMin = 16;
constexpr int kTextColumnMin = 8;

std::string Pad(const std::string& text, int width, Table::Align align) {
  std::string blanks(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
  return align == Table::Align::kRight ? blanks + text : text + blanks;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<std::string> cells) {
  TREADLE_ASSERT(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Render(int width, bool colour) const {
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); i++) {
    int widest = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, DisplayWidth(row[i]));
    widths.push_back(widest);
  }
  if (width > 0) Fit(width, widths);
  std::string out;
  auto line = [&](bool coloured, auto&& cell) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); i++) {
      if (i > 0) text.append(kGap, ' ');
      const std::string padded = Pad(CutToWidth(cell(i), widths[i]), widths[i], columns_[i].align);
      text += coloured && columns_[i].state ? PaintState(cell(i), padded) : padded;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line(false, [&](size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) line(colour, [&](size_t i) { return row[i]; });
  return out;
}

void Table::Fit(int width, std::vector<int>& widths) const {
  const auto too_wide = [&] {
    return std::accumulate(widths.begin(), widths.end(), 0) +
           kGap * static_cast<int>(widths.size() - 1) - width;
  };
  widths.back() -= std::clamp(widths.back() - kLastColumnMin, 0, std::max(0, too_wide()));
  while (too_wide() > 0) {
    // The widest loses one.
    size_t widest = 0;
    for (size_t i = 1; i + 1 < columns_.size(); i++) {
      const Column& column = columns_[i];
      const int least = std::max(kTextColumnMin, DisplayWidth(column.title));
      const bool text = column.align == Align::kLeft && !column.state;
      if (text && widths[i] > least && (widest == 0 || widths[i] > widths[widest])) widest = i;
    }
    if (widest == 0) return;
    --widths[widest];
  }
}

void Sheet::Add(std::string name, std::string value) {
  if (!value.empty()) fields_.emplace_back(std::move(name), std::move(value));
}

std::string Sheet::Render(bool colour) const {
  int widest = 0;
  for (const auto& [name, value] : fields_) widest = std::max(widest, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : fields_) {
    std::string before = Pad(name, widest + kGap, Table::Align::kLeft);
    for (const absl::string_view line : absl::StrSplit(value, '\n', absl::SkipEmpty())) {
      const std::string text = Printable(std::string(line));
      out += before + (colour && name == "state" ? PaintState(text, text) : text) + '\n';
      before.assign(static_cast<size_t>(widest + kGap), ' ');
    }
  }
  return out;
}

}  // namespace treadle::cli
