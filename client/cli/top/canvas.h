#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/console/colour.h"
#include "client/cli/console/table.h"

namespace treadle::cli::top {

using Lines = std::vector<std::string>;

// What is drawn on, and what it can show.
struct Canvas {
  int columns = 0;  // 0: as many as it takes
  int rows = 0;
  // Somebody sits before it: a row is selected, keys are told.
  bool keys = false;
  bool styles = false;  // bold, dim, reversed
  bool colour = false;

  // One line that fits. `style`: where the canvas has it.
  std::string Line(const std::string& text) const;
  std::string Line(const std::string& text, Style style) const;
  // As many of the parts as fit, two blanks between them.
  std::string Parts(const std::vector<std::string>& parts) const;
  // The title's line, and the rows'. `selected`: one of these.
  Lines Of(const Table& table, std::optional<size_t> selected = std::nullopt) const;
  Lines Of(const Sheet& sheet) const;
};

// Those that fit `rows`.
void Append(Lines more, int rows, Lines& lines);

}  // namespace treadle::cli::top
