#include "server/rpc/connections.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/stat.h>

namespace treadle::rpc {
namespace {

// Looking at every connection costs milliseconds when there are thousands.
constexpr int64_t kLookMs = 100;
// This share of the idle ones gives way at once, for the same reason.
constexpr size_t kGiveWayShare = 16;

// How often it is looked whether something comes on a connection, and what is more than the pings
// and window updates of an idle one.
constexpr int64_t kArrivingLookMs = 200;
constexpr int64_t kArrivingBytesPerMs = 4;

// 0: not a socket.
uint64_t InodeOf(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

std::string IPv4Name(const in_addr& address, in_port_t port) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address, text, sizeof(text));
  return absl::StrCat("ipv4:", text, ":", ntohs(port));
}

std::string AddressOf(const std::string& peer) {
  const size_t colon = peer.rfind(':');
  return colon == std::string::npos ? peer : peer.substr(0, colon);
}

}  // namespace

// As grpc_sockaddr_to_uri writes it: brackets and percent signs are escaped.
std::string PeerName(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return IPv4Name(v4.sin_addr, v4.sin_port);
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    in_addr v4{};
    std::copy_n(v6.sin6_addr.s6_addr + 12, 4, reinterpret_cast<uint8_t*>(&v4));
    return IPv4Name(v4, v6.sin6_port);
  }
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  const std::string scope =
      v6.sin6_scope_id == 0 ? "" : absl::StrCat("%25", static_cast<uint32_t>(v6.sin6_scope_id));
  return absl::StrCat("ipv6:%5B", text, scope, "%5D:", ntohs(v6.sin6_port));
}

Client::Client(std::string of_peer, uint32_t number)
    : peer(std::move(of_peer)),
      address(AddressOf(peer)),
      origin{number, std::max<uint32_t>(1, static_cast<uint32_t>(absl::HashOf(address)))} {}

bool Client::IsArriving(int64_t since_ms, int64_t now_ms) {
  if (const int64_t passed_ms = now_ms - looked_at_ms_; passed_ms >= kArrivingLookMs) {
    const std::optional<uint64_t> received = ReceivedBytes(*this);
    looked_before_ms_ = std::exchange(looked_at_ms_, now_ms);
    const uint64_t before = std::exchange(received_bytes_, received.value_or(received_bytes_));
    is_arriving_ =
        static_cast<int64_t>(received_bytes_ - before) >= kArrivingBytesPerMs * passed_ms;
  }
  return is_arriving_ && looked_before_ms_ > since_ms;
}

std::optional<uint64_t> ReceivedBytes(const Client& client) {
  const int fd = client.fd;
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (fd < 0 || InodeOf(fd) != client.inode ||
      ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

void BreakOff(const Client& client) {
  // Of our own while it is looked at: gRPC may close the client's, and another socket get its
  // number, at any moment.
  const int fd = ::fcntl(client.fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return;
  if (InodeOf(fd) == client.inode) ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
}

Connections::Connections(int64_t connections_max)
    : connections_max_(connections_max), per_address_max_(connections_max - connections_max / 10) {}

absl::Status Connections::Add(int fd, const sockaddr_storage& peer, int64_t now_ms) {
  const std::string name = PeerName(peer);
  const std::string address = AddressOf(name);
  std::lock_guard lock(mutex_);
  Forget(fd);  // whatever had this descriptor is closed
  if (IsFullFor(address)) ForgetClosed(now_ms);
  if (static_cast<int64_t>(open_.size()) >= connections_max_) BreakIdleOf(nullptr);
  if (IsFullFor(address)) BreakIdleOf(&address);
  if (static_cast<int64_t>(open_.size()) >= connections_max_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", connections_max_,
        " connections with open calls, the most this server allows (--connections-max)"));
  }
  if (IsFullFor(address)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "this address has ", per_address_max_, " connections with open calls: the last tenth of ",
        connections_max_, " (--connections-max) is kept for others"));
  }
  std::shared_ptr<Client> client = ObtainLocked(name);
  client->idle_since_ms = now_ms;
  client->inode = InodeOf(fd);
  client->fd = fd;
  ++by_address_[address];
  open_[fd] = Open{client->inode, std::move(client)};
  return absl::OkStatus();
}

bool Connections::IsFullFor(const std::string& address) const {
  if (static_cast<int64_t>(open_.size()) >= connections_max_) return true;
  const auto found = by_address_.find(address);
  return found != by_address_.end() && found->second >= per_address_max_;
}

bool Connections::BreakIdle() {
  std::lock_guard lock(mutex_);
  return BreakIdleOf(nullptr);
}

bool Connections::BreakIdleOf(const std::string* address) {
  std::vector<std::pair<int64_t, int>> idle;  // since when, descriptor
  for (const auto& [fd, open] : open_) {
    if (open.client->calls > 0 || (address != nullptr && open.client->address != *address)) {
      continue;
    }
    idle.emplace_back(open.client->idle_since_ms.load(), fd);
  }
  if (idle.empty()) return false;
  const size_t count = std::max<size_t>(1, idle.size() / kGiveWayShare);
  std::nth_element(idle.begin(), idle.begin() + static_cast<int64_t>(count) - 1, idle.end());
  for (size_t i = 0; i < count; ++i) {
    const int fd = idle[i].second;
    // gRPC, which owns it, closes it when it sees this end. BreakOff would need a descriptor of its
    // own, and there may be none left.
    if (InodeOf(fd) == open_[fd].inode) ::shutdown(fd, SHUT_RDWR);
    Forget(fd);
  }
  return true;
}

void Connections::ForgetClosed(int64_t now_ms) {
  if (now_ms < look_again_at_ms_) return;
  look_again_at_ms_ = now_ms + kLookMs;
  std::vector<int> closed;
  for (const auto& [fd, open] : open_) {
    if (InodeOf(fd) != open.inode) closed.push_back(fd);
  }
  for (const int fd : closed) Forget(fd);
}

void Connections::Forget(int fd) {
  const auto found = open_.find(fd);
  if (found == open_.end()) return;
  const std::shared_ptr<Client> client = std::move(found->second.client);
  client->fd = -1;
  open_.erase(found);
  const auto of_address = by_address_.find(client->address);
  if (--of_address->second == 0) by_address_.erase(of_address);
  // Its calls may still be ending.
  if (client.use_count() == 1) clients_.erase(client->peer);
}

std::shared_ptr<Client> Connections::Obtain(const std::string& peer) {
  std::lock_guard lock(mutex_);
  return ObtainLocked(peer);
}

std::shared_ptr<Client> Connections::ObtainLocked(const std::string& peer) {
  std::weak_ptr<Client>& known = clients_[peer];
  std::shared_ptr<Client> client = known.lock();
  if (client != nullptr) return client;
  clients_made_ = std::max<uint32_t>(1, clients_made_ + 1);  // 0 is nobody's
  client = std::make_shared<Client>(peer, clients_made_);
  known = client;
  // Those whose last call ended after their connection was forgotten.
  if (clients_.size() > 2 * open_.size() + 1'000) {
    absl::erase_if(clients_, [](const auto& entry) { return entry.second.expired(); });
  }
  return client;
}

int64_t Connections::CountOpen() const {
  std::vector<std::pair<int, uint64_t>> sockets;
  {
    std::lock_guard lock(mutex_);
    sockets.reserve(open_.size());
    for (const auto& [fd, open] : open_) sockets.emplace_back(fd, open.inode);
  }
  return std::count_if(sockets.begin(), sockets.end(),
                       [](const auto& socket) { return InodeOf(socket.first) == socket.second; });
}

int64_t Connections::size() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(open_.size());
}

}  // namespace treadle::rpc
