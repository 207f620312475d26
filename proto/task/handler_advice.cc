#include "proto/task/handler_advice.h"

namespace treadle {

std::string_view AdviceText(v1::HandlerAdvice advice) {
  switch (advice) {
    case v1::HANDLER_ADVICE_TOO_FEW_RUNS:
      return "too few runs to advise";
    case v1::HANDLER_ADVICE_STAY:
      return "as it should be";
    case v1::HANDLER_ADVICE_PROCESS:
      return "run it in processes";
    case v1::HANDLER_ADVICE_THREAD_OR_COROUTINE:
      return "run it on threads, or as a coroutine";
    default:
      return "-";
  }
}

}  // namespace treadle
