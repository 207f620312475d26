#include "worker/pool/process/parent_link.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proto/support/assert.h"

namespace treadle::worker {
namespace {

// The variable, once and for all: what this process starts itself is no child of the pool's.
const std::string& TakeMark() {
  static const std::string mark = [] {
    const char* const variable = std::getenv(kChildVariable);
    if (variable == nullptr) return std::string();
    std::string taken = variable;
    ::unsetenv(kChildVariable);
    for (int file = kChildSocket; file < kChildFiles; ++file) {
      // A program that got the variable by accident does not have the files.
      if (::fcntl(file, F_SETFD, FD_CLOEXEC) != 0) return std::string();
    }
    return taken;
  }();
  return mark;
}

}  // namespace

bool ParentLink::Exists() { return !TakeMark().empty(); }

std::string ParentLink::Key() { return TakeMark().substr(TakeMark().find('/') + 1); }

ParentLink::ParentLink() : token_(TakeMark().substr(0, TakeMark().find('/'))) {
  void* const page =
      ::mmap(nullptr, sizeof(ChildPage), PROT_READ | PROT_WRITE, MAP_SHARED, kChildPage, 0);
  TREADLE_ASSERT(page != MAP_FAILED);
  page_ = static_cast<ChildPage*>(page);
  ::close(kChildPage);
}

bool ParentLink::Next(Frame& frame) {
  while (!reader_.Next(frame)) {
    // A task that this process is too small for must not look like one that it has never seen.
    if (reader_.arriving() > 0) page_->begun.store(reader_.arriving(), std::memory_order_release);
    if (reader_.broken() || reader_.Receive(socket_.number()) != FrameReader::Got::kSome) {
      return false;
    }
  }
  return true;
}

bool ParentLink::Send(FrameKind kind, uint64_t run, std::string_view head, std::string_view body) {
  std::string start = FrameStart(kind, run, head, body.size());
  std::lock_guard lock(sending_);
  iovec parts[] = {{start.data(), start.size()}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  while (message.msg_iovlen > 0) {
    ssize_t sent = ::sendmsg(socket_.number(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    for (; message.msg_iovlen > 0; ++message.msg_iov, --message.msg_iovlen) {
      iovec& part = *message.msg_iov;
      const size_t done = std::min(static_cast<size_t>(sent), part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + done;
      part.iov_len -= done;
      sent -= static_cast<ssize_t>(done);
      if (part.iov_len > 0) break;
    }
  }
  return true;
}

bool ParentLink::NextOrder(StopOrder& order) {
  ssize_t got;
  do {
    // A packet socket: an order comes whole.
    got = ::recv(control_.number(), &order, sizeof(order), 0);
  } while (got < 0 && errno == EINTR);
  return got == sizeof(order);
}

}  // namespace treadle::worker
