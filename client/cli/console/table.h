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
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as columns. Cells are made printable.
  void Add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // `width`: the terminal's columns. To fit, the last column is cut, but not below 16; then other
  // text, but not below its title, nor the first column, nor states. 0: cut nothing. Ends with a
  // newline.
  std::string Render(int width, bool colour = false) const;

 private:
  void Fit(int width, std::vector<int>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

inline constexpr Table::Align kRight = Table::Align::kRight;

// One thing's fields: names on the left, values beside them, in as many lines as they have. Fields
// with an empty value are left out.
class Sheet {
 public:
  void Add(std::string name, std::string value);
  // `colour`: for the field "state".
  std::string Render(bool colour = false) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace treadle::cli
