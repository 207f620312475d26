#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/cli/map/item.h"

namespace treadle::cli {

// A command line with places for an item, as GNU parallel has them, in any argument:
//
//   {}  the item          {/}   without its folders     {.}   without its last extension
//   {//} its folder       {/.}  without either          {#}   its number, from 1
//   {2} {2.} {2/} ...     the same of the second source; {-1} the last one's
//
// Of several sources a place that is of all becomes one argument for each: "x{}y" of a and b is
// "xa" and "by". Without any place the values become the last arguments, unless the item travels
// otherwise (`append_item` false: as standard input, say).
class CommandTemplate {
 public:
  CommandTemplate(std::vector<std::string> argv, bool append_item);

  std::vector<std::string> Fill(const Item& item) const;
  // The program, where it is the same for every item.
  std::optional<std::string> Program() const;

 private:
  std::vector<std::string> argv_;
};

// The words as one line that a shell would read as the same words.
std::string ShellLine(const std::vector<std::string>& words);

}  // namespace treadle::cli
