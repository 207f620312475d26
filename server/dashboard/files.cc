#include "server/dashboard/files.h"

#ifdef TREADLE_DASHBOARD

#include <array>
#include <cstddef>
#include <string_view>

// The assembler takes the files in as they are: `symbol` is where one begins, and `symbol`_end
// where it ends. It looks for them in the folder that CMake names.
#define TREADLE_TAKE_IN(symbol, file)                                            \
  asm(".pushsection .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" file \
      "\"\n"                                                                     \
      ".global " #symbol "_end\n" #symbol "_end:\n.byte 0\n.popsection\n");      \
  extern "C" const char symbol[];                                                \
  extern "C" const char symbol##_end[]

TREADLE_TAKE_IN(treadle_dashboard_index, "index.html");
TREADLE_TAKE_IN(treadle_dashboard_script, "app.js.gz");
TREADLE_TAKE_IN(treadle_dashboard_style, "app.css.gz");

#undef TREADLE_TAKE_IN

namespace treadle::dashboard {
namespace {

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

absl::Span<const http::PageFile> Files() {
  static const std::array<http::PageFile, 3> files = {
      {{"index.html", Between(treadle_dashboard_index, treadle_dashboard_index_end)},
       {"app.js.gz", Between(treadle_dashboard_script, treadle_dashboard_script_end)},
       {"app.css.gz", Between(treadle_dashboard_style, treadle_dashboard_style_end)}}};
  return files;
}

}  // namespace treadle::dashboard

#else

namespace treadle::dashboard {

absl::Span<const http::PageFile> Files() { return {}; }

}  // namespace treadle::dashboard

#endif
