#pragma once

#include <string>
#include <vector>

namespace treadle::cli {

// Rows for people: a line of titles, aligned columns, two blanks between them, no frame.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    // Its cells are states, which have colours.
    bool state = false;
    // On a terminal that has no room for all, the column with the highest of these goes first. 0:
    // it stays.
    int drop = 0;
    // What it takes at least, so that rows that change do not move the columns.
    int width_min = 0;
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as columns. Cells are made printable.
  void Add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // `width`: the terminal's columns. To fit, text in the last column is cut, but not below 16; then
  // other text, but not below its title; then a first column that is longer than ids are. States
  // and numbers are whole. Where that is not enough, columns go that may (`drop`). 0: cut nothing.
  // Ends with a newline.
  std::string Render(int width, bool colour = false) const;

 private:
  // The columns' widths on the terminal; 0: it is not shown.
  std::vector<int> Widths(int width) const;
  // Cuts those that are shown to fit. False: they do not.
  bool Cut(int width, int text_min, std::vector<int>& widths) const;
  bool IsText(size_t column) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

inline constexpr Table::Align kRight = Table::Align::kRight;

// One thing's fields: names on the left, values beside them, in as many lines as they have. Fields
// with an empty value are left out.
class Sheet {
 public:
  void Add(std::string name, std::string value);
  // `width`: the terminal's columns, at which values are broken between words. 0: nowhere.
  // `colour`: for the field "state".
  std::string Render(int width, bool colour = false) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace treadle::cli
