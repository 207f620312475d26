#pragma once

#include <chrono>
#include <httplib.h>
#include <string>
#include <thread>

#include <sys/socket.h>

// An HTTP server on a port of its own of 127.0.0.1 that takes its time over every page, so that the
// examples have something to fetch.
class HttpServerHere {
 public:
  HttpServerHere(std::chrono::milliseconds delay, size_t threads) {
    server_.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
    server_.Get(".*", [delay](const httplib::Request& request, httplib::Response& response) {
      std::this_thread::sleep_for(delay);
      if (request.path == "/missing") {
        response.status = 404;
      } else {
        response.set_content("you asked for " + request.path, "text/plain");
      }
    });
    port_ = server_.BindHere();
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~HttpServerHere() {
    server_.stop();
    thread_.join();
  }

  // "127.0.0.1:43210".
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  class Server : public httplib::Server {
   public:
    int BindHere() {
      const int port = bind_to_any_port("127.0.0.1");
      // The library lets five connections wait, and the kernel drops the sixth of a burst.
      ::listen(svr_sock_, SOMAXCONN);
      return port;
    }
  };

  Server server_;
  int port_ = 0;
  std::thread thread_;
};
