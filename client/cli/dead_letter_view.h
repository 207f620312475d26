#pragma once

#include "client/cli/view.h"

#include "treadle/v1/dead_letter_service.pb.h"

namespace treadle::cli {

extern const View<v1::DeadLetter> kDeadLetterView;
extern const View<v1::DeadLetterGroup> kDeadLetterGroupView;

}  // namespace treadle::cli
