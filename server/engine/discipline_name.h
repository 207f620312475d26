#pragma once

#include "server/engine/types.h"

namespace treadle::engine {

// As people write it, and the API without its prefix.
inline const char* DisciplineName(Discipline discipline) {
  switch (discipline) {
    case Discipline::kFifo:
      return "FIFO";
    case Discipline::kLifo:
      return "LIFO";
    case Discipline::kPriority:
      return "PRIORITY";
  }
  return "";
}

}  // namespace treadle::engine
