#include "tests/client/no_threads.h"

#include <cerrno>
#include <dlfcn.h>
#include <pthread.h>

namespace treadle::test {
namespace {

thread_local bool none_left = false;

}  // namespace

NoThreads::NoThreads() { none_left = true; }
NoThreads::~NoThreads() { none_left = false; }

}  // namespace treadle::test

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*run)(void*), void* argument) {
  if (treadle::test::none_left) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return create(thread, attributes, run, argument);
}
