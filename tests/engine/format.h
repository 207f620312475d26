#pragma once

#include <string>
#include <vector>

#include "server/engine/engine.h"

// The engine's vocabulary as lines of text, for scripts: what has its default is left out, and what
// is of several tasks has a line for each.

namespace treadle::engine {

std::string Format(const RowChange& change);
std::string Format(const Output& output);
std::string Format(const TaskView& view);
std::string Format(const QueueView& view);
std::string Format(const Quarantine& quarantine);
std::string Format(const WorkerView& view);
std::string Format(const ReasonView& view);
std::string Format(const std::vector<LostTime>& lost);
std::string Format(const JobView& view);
std::string Format(const DrainView& view);
std::string Format(const LetterGroupView& view);

const char* NameOf(TaskState state);
const char* NameOf(Discipline discipline);
// "?" for what is none.
const char* NameOf(Reason reason);
const char* NameOf(ActionKind kind);

}  // namespace treadle::engine
