#pragma once

#include <string>

#include "client/cli/view.h"

namespace treadle::cli {

extern const View<v1::Task> kTaskView;
// All about one, for people.
Sheet SheetOf(const v1::Task& task);
// "ValueError: no such user".
std::string ErrorLine(const v1::TaskError& error);
extern const View<v1::Outcome> kOutcomeView;

}  // namespace treadle::cli
