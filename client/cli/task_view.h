#pragma once

#include <string>

#include "client/cli/view.h"

namespace treadle::cli {

extern const View<v1::Task> kTaskView;
// All about one, for people.
Sheet SheetOf(const v1::Task& task);
// "ValueError: no such user".
std::string ErrorLine(const v1::TaskError& error);
// For a table: on one line, without a type that the message says again ("exit status 2: no such
// file").
std::string ErrorCell(const v1::TaskError& error);
extern const View<v1::Outcome> kOutcomeView;

}  // namespace treadle::cli
