#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/command.h"

namespace treadle::engine {

// One line of a script: a verb, then words and name=value pairs. Double quotes keep spaces
// together. Anything misspelt throws, so that a script cannot pass by saying nothing.
class ScriptLine {
 public:
  explicit ScriptLine(const std::string& text);

  const std::string& verb() const { return verb_; }
  std::vector<std::string> Names() const;
  bool Has(const std::string& name) const { return Take(name) != nullptr; }
  std::string Text(const std::string& name, const std::string& standard = "") const;
  int64_t Number(const std::string& name, int64_t standard = 0) const;
  double Fraction(const std::string& name, double standard) const;
  std::vector<std::string> Words(const std::string& name) const;  // "a,b,c"
  TaskId Id(const std::string& name) const;
  CallId Call() const { return CallId{static_cast<uint64_t>(Number("call", 1))}; }
  // Throws when something on the line was never asked for.
  void CheckAllUsed() const;

 private:
  const std::string* Take(const std::string& name) const;

  std::string verb_;
  std::map<std::string, std::string> values_;
  mutable std::map<std::string, bool> used_;
};

// The command that the line stands for, but for those below; throws when there is none of that
// name.
Command ParseCommand(const ScriptLine& line);
// A submit line may name several ids, "id=1-1..1-9", and an end line several tokens, "token=1..9".
// That is one command for each; `together`: one for all of them, where a command can say that. With
// "apart" a submit line stays one for each: tasks of a run are not given to takers, nor queues
// served, one by one in turn.
std::vector<Submit> ParseSubmits(const ScriptLine& line, bool together);
std::vector<EndAttempt> ParseEnds(const ScriptLine& line, bool together);

}  // namespace treadle::engine
