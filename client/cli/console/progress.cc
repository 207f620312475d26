#include "client/cli/console/progress.h"

#include <algorithm>
#include <cmath>

#include "client/cli/console/human.h"
#include <fmt/format.h>

namespace treadle::cli {
namespace {

constexpr int kBarMax = 30;
constexpr int kBarMin = 6;

}  // namespace

std::string ProgressLine(const MapProgress& progress, int width) {
  double rate = progress.elapsed_ms > 0 ? static_cast<double>(progress.done) * 1e3 /
                                              static_cast<double>(progress.elapsed_ms)
                                        : 0;
  std::string total = std::to_string(progress.total) + (progress.total_is_final ? "" : "+");
  std::string text = fmt::format("  {:>{}}/{}", progress.done, total.size(), total);
  double fraction = progress.total > 0
                        ? static_cast<double>(progress.done) / static_cast<double>(progress.total)
                        : 0;
  if (progress.total_is_final) text += fmt::format("  {:3.0f}%", std::floor(fraction * 100));
  if (progress.done > 0) text += fmt::format("  {}", HumanRate(rate));
  if (progress.failed > 0) text += fmt::format("  {} failed", progress.failed);
  if (progress.done < progress.total || !progress.total_is_final) {
    if (progress.total_is_final && rate > 0) {
      double left_ms = static_cast<double>(progress.total - progress.done) * 1e3 / rate;
      text += fmt::format("  ETA {}", HumanDuration(std::llround(left_ms)));
    }
  } else {
    text += fmt::format("  in {}", HumanDuration(progress.elapsed_ms));
  }

  int room = std::min(kBarMax, width - 3 - DisplayWidth(text));
  if (room < kBarMin || !progress.total_is_final) return CutToWidth(text.substr(2), width - 1);
  auto filled = static_cast<size_t>(std::floor(fraction * room));
  return fmt::format("[{}{}]{}", std::string(filled, '#'),
                     std::string(static_cast<size_t>(room) - filled, '-'), text);
}

}  // namespace treadle::cli
