#pragma once

#include <pthread.h>
#include <string>
#include <string_view>

namespace treadle {

// Of a thread's name, which top -H, gdb and perf show, the system keeps so many.
inline constexpr size_t kThreadNameBytesMax = 15;

// Names the calling thread; cuts what is too long.
inline void NameThread(std::string_view name) {
  ::pthread_setname_np(::pthread_self(), std::string(name.substr(0, kThreadNameBytesMax)).c_str());
}

}  // namespace treadle
