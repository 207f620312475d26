#pragma once

#include <string>
#include <vector>

namespace treadle::cli {

// A command line with places for an item, as xargs and GNU parallel have it: every "{}" in every
// argument is the item. Without any, the item becomes the last argument, unless it travels
// otherwise (`append_item` false: as standard input, say).
class CommandTemplate {
 public:
  CommandTemplate(std::vector<std::string> argv, bool append_item);

  std::vector<std::string> Fill(const std::string& item) const;

 private:
  std::vector<std::string> argv_;
};

}  // namespace treadle::cli
