#include "client/cli/console/table.h"

#include <algorithm>
#include <utility>

#include "client/cli/console/colour.h"
#include "client/cli/console/human.h"

#include "proto/support/assert.h"

namespace treadle::cli {
namespace {

constexpr int kGap = 2;
constexpr int kLastColumnMin = 16;

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
  if (width > 0) {
    int before = 0;
    for (size_t i = 0; i + 1 < widths.size(); i++) before += widths[i] + kGap;
    widths.back() = std::min(widths.back(), std::max(kLastColumnMin, width - before));
  }
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

void Sheet::Add(std::string name, std::string value) {
  if (!value.empty()) fields_.emplace_back(std::move(name), Printable(value));
}

std::string Sheet::Render(bool colour) const {
  int widest = 0;
  for (const auto& [name, value] : fields_) widest = std::max(widest, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : fields_) {
    out += Pad(name, widest + kGap, Table::Align::kLeft) +
           (colour && name == "state" ? PaintState(value, value) : value) + '\n';
  }
  return out;
}

}  // namespace treadle::cli
