#include "client/cli/console/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/console/colour.h"
#include "client/cli/console/human.h"

#include "proto/support/assert.h"

namespace treadle::cli {
namespace {

constexpr int kGap = 2;
constexpr int kLastColumnMin = 16;
constexpr int kTextColumnGood = 14;  // rather than less, columns go that may
constexpr int kTextColumnMin = 8;
constexpr int kFirstColumnGood = 24;  // ids are shorter: whoever copies one needs all of it
constexpr int kFirstColumnMin = 16;

std::string Pad(const std::string& text, int width, Table::Align align) {
  std::string blanks(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
  return align == Table::Align::kRight ? blanks + text : text + blanks;
}

// In lines of `width` columns; a word that is longer stays whole. 0: one line.
std::vector<std::string> Wrapped(const std::string& text, int width) {
  if (width == 0 || DisplayWidth(text) <= width) return {text};
  std::vector<std::string> lines(1);
  bool begun = false;  // the line has a word
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const std::string longer = absl::StrCat(lines.back(), begun ? " " : "", word);
    const bool fits = !begun || DisplayWidth(longer) <= width;
    if (fits) {
      lines.back() = longer;
    } else {
      lines.emplace_back(word);
    }
    begun = true;
  }
  return lines;
}

size_t LastShown(const std::vector<int>& widths) {
  size_t last = widths.size() - 1;
  while (last > 0 && widths[last] == 0) --last;
  return last;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<std::string> cells) {
  TREADLE_ASSERT(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Render(int width, bool colour) const {
  const std::vector<int> widths = Widths(width);
  std::string out;
  const size_t last = LastShown(widths);
  // What stands in the last column is read from its beginning, a sentence mostly; names begin
  // alike.
  const auto cut = [&](size_t i, const std::string& text) {
    return i == last ? CutToWidth(text, widths[i]) : CutMiddleToWidth(text, widths[i]);
  };
  auto line = [&](bool coloured, auto&& cell) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); i++) {
      if (widths[i] == 0) continue;
      if (i > 0) text.append(kGap, ' ');
      const std::string padded = Pad(cut(i, cell(i)), widths[i], columns_[i].align);
      text += coloured && columns_[i].state ? PaintState(cell(i), padded) : padded;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line(false, [&](size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) line(colour, [&](size_t i) { return row[i]; });
  return out;
}

bool Table::IsText(size_t column) const {
  return columns_[column].align == Align::kLeft && !columns_[column].state;
}

std::vector<int> Table::Widths(int width) const {
  std::vector<int> whole;
  for (size_t i = 0; i < columns_.size(); i++) {
    int widest = std::max({1, columns_[i].width_min, DisplayWidth(columns_[i].title)});
    for (const auto& row : rows_) widest = std::max(widest, DisplayWidth(row[i]));
    whole.push_back(widest);
  }
  if (width == 0) return whole;
  while (true) {
    std::vector<int> widths = whole;
    if (Cut(width, kTextColumnGood, widths)) return widths;
    size_t next = 0;
    for (size_t i = 1; i < columns_.size(); i++) {
      if (whole[i] > 0 && columns_[i].drop > columns_[next].drop) next = i;
    }
    if (next == 0) {
      Cut(width, kTextColumnMin, widths);
      return widths;
    }
    whole[next] = 0;
  }
}

bool Table::Cut(int width, int text_min, std::vector<int>& widths) const {
  const auto too_wide = [&] {
    const auto shown = std::count_if(widths.begin(), widths.end(), [](int w) { return w > 0; });
    return std::accumulate(widths.begin(), widths.end(), 0) + kGap * static_cast<int>(shown - 1) -
           width;
  };
  const size_t last = LastShown(widths);
  if (last > 0 && IsText(last)) {
    widths[last] -= std::clamp(widths[last] - kLastColumnMin, 0, std::max(0, too_wide()));
  }
  while (too_wide() > 0) {
    // The widest loses one.
    size_t widest = 0;
    for (size_t i = 1; i < last; i++) {
      const int least = std::max(text_min, DisplayWidth(columns_[i].title));
      if (IsText(i) && widths[i] > least && (widest == 0 || widths[i] > widths[widest])) widest = i;
    }
    if (widest == 0) break;
    --widths[widest];
  }
  const int first_min = text_min == kTextColumnMin ? kFirstColumnMin : kFirstColumnGood;
  if (IsText(0)) widths[0] -= std::clamp(widths[0] - first_min, 0, std::max(0, too_wide()));
  return too_wide() <= 0;
}

void Sheet::Add(std::string name, std::string value) {
  if (!value.empty()) fields_.emplace_back(std::move(name), std::move(value));
}

std::string Sheet::Render(int width, bool colour) const {
  int widest = 0;
  for (const auto& [name, value] : fields_) widest = std::max(widest, DisplayWidth(name));
  const int room = width == 0 ? 0 : std::max(kLastColumnMin, width - widest - kGap);
  std::string out;
  for (const auto& [name, value] : fields_) {
    std::string before = Pad(name, widest + kGap, Table::Align::kLeft);
    for (const absl::string_view line : absl::StrSplit(value, '\n', absl::SkipEmpty())) {
      for (const std::string& text : Wrapped(Printable(std::string(line)), room)) {
        out += before + (colour && name == "state" ? PaintState(text, text) : text) + '\n';
        before.assign(static_cast<size_t>(widest + kGap), ' ');
      }
    }
  }
  return out;
}

}  // namespace treadle::cli
