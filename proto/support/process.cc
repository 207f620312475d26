#include "proto/support/process.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <sys/resource.h>

namespace treadle {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// proc(5)'s fields of /proc/self/stat from the third on, behind the name, which may hold anything.
std::vector<int64_t> StatFields() {
  constexpr size_t kFirst = 3;
  const std::string stat = ReadFile("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  std::vector<int64_t> fields(kFirst);
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(stat.substr(name_end + 1));
  std::string state;
  rest >> state;
  fields.push_back(0);
  for (int64_t field = 0; rest >> field;) fields.push_back(field);
  return fields;
}

// Unix time; 0: not known.
double BootSeconds() {
  std::istringstream lines(ReadFile("/proc/stat"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("btime ", 0) == 0) return std::stod(line.substr(6));
  }
  return 0;
}

}  // namespace

ProcessFigures ReadProcess() {
  constexpr size_t kUserTime = 14;
  constexpr size_t kSystemTime = 15;
  constexpr size_t kThreads = 20;
  constexpr size_t kStartTime = 22;
  constexpr size_t kVirtualBytes = 23;
  std::vector<int64_t> stat = StatFields();
  // The file's first field has the number 1.
  stat.resize(std::max(stat.size(), kVirtualBytes + 1));
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));

  ProcessFigures figures;
  figures.cpu_seconds = static_cast<double>(stat[kUserTime] + stat[kSystemTime]) / ticks;
  figures.start_seconds = BootSeconds() + static_cast<double>(stat[kStartTime]) / ticks;
  figures.resident_bytes = ResidentBytes();
  figures.virtual_bytes = stat[kVirtualBytes];
  figures.threads = stat[kThreads];
  std::error_code ignored;
  const std::filesystem::directory_iterator open("/proc/self/fd", ignored);
  figures.open_descriptors = std::distance(begin(open), end(open));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    figures.descriptors_max = static_cast<int64_t>(limit.rlim_cur);
  }
  return figures;
}

int64_t ResidentBytes() {
  std::istringstream pages(ReadFile("/proc/self/statm"));
  int64_t mapped = 0;
  int64_t resident = 0;
  pages >> mapped >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace treadle
