#include "server/http/pages.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <xxhash.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "proto/support/assert.h"

namespace treadle::http {
namespace {

constexpr int kNotModified = 304;
constexpr int kNotAcceptable = 406;
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kIndex[] = "index.html";
constexpr std::string_view kGzip = ".gz";

// The first part of each page's path, but for the one at "/".
constexpr std::array<std::string_view, 5> kPages = {"queues", "tasks", "dead", "workers", "system"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kContentTypes = {
    {{".html", "text/html; charset=utf-8"},
     {".js", "text/javascript; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".svg", "image/svg+xml"},
     {".png", "image/png"},
     {".ico", "image/x-icon"}}};

constexpr std::array<std::pair<const char*, const char*>, 5> kHeaders = {
    {{"Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"},
     {"X-Content-Type-Options", "nosniff"},
     {"X-Frame-Options", "DENY"},
     {"Referrer-Policy", "no-referrer"},
     {"Cross-Origin-Resource-Policy", "same-origin"}}};

std::string ContentType(const std::string& name) {
  const auto found =
      std::find_if(kContentTypes.begin(), kContentTypes.end(),
                   [&name](const auto& known) { return name.ends_with(known.first); });
  TREADLE_ASSERT(found != kContentTypes.end());
  return std::string(found->second);
}

// Of an index.html, with what the server says in it.
std::string Fill(const PageFile& index, const Pages::Told& told) {
  const std::string text(index.bytes);
  constexpr char kActions[] = R"(<meta name="treadle-actions" content="off">)";
  constexpr char kVersion[] = R"(<meta name="treadle-version" content="">)";
  TREADLE_ASSERT(absl::StrContains(text, kActions) && absl::StrContains(text, kVersion));
  const std::string actions =
      told.actions ? R"(<meta name="treadle-actions" content="on">)" : kActions;
  const std::string version =
      absl::StrCat(R"(<meta name="treadle-version" content=")", told.version, R"(">)");
  return absl::StrReplaceAll(text, {{kActions, actions}, {kVersion, version}});
}

bool IsPage(const std::string& path) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(absl::StripPrefix(path, "/"), absl::MaxSplits('/', 1));
  return path == "/" || std::find(kPages.begin(), kPages.end(), parts.first) != kPages.end();
}

// Whether what the client has of it is still the same.
bool IsKnown(const httplib::Request& request, const std::string& etag) {
  for (absl::string_view one : absl::StrSplit(request.get_header_value("If-None-Match"), ',')) {
    one = absl::StripAsciiWhitespace(one);
    absl::ConsumePrefix(&one, "W/");
    if (one == etag || one == "*") return true;
  }
  return false;
}

void Say(int status, const std::string& line, httplib::Response& response) {
  response.status = status;
  response.set_content(absl::StrCat(line, "\n"), kText);
}

}  // namespace

Pages::Pages(absl::Span<const PageFile> files, const Told& told) {
  for (const PageFile& file : files) Add(file, told);
}

void Pages::Add(const PageFile& file, const Told& told) {
  std::string name(file.name);
  Page page;
  page.is_gzip = name.ends_with(kGzip);
  if (page.is_gzip) name.resize(name.size() - kGzip.size());
  page.content_type = ContentType(name);
  page.bytes = name == kIndex ? Fill(file, told) : std::string(file.bytes);
  page.etag = absl::StrFormat("\"%016x\"", XXH3_64bits(page.bytes.data(), page.bytes.size()));
  const bool is_new = by_name_.emplace(name, std::move(page)).second;
  TREADLE_ASSERT(is_new);
}

void Pages::ServeOn(Server& server) {
  server.GetOthers([this](const httplib::Request& request, httplib::Response& response) {
    Answer(request, response);
  });
}

void Pages::Answer(const httplib::Request& request, httplib::Response& response) const {
  const std::string name(absl::StripPrefix(request.path, "/"));
  const auto found = by_name_.find(IsPage(request.path) ? kIndex : name);
  if (found != by_name_.end()) return Write(found->second, request, response);
  if (request.path == "/") {
    return Say(kOk,
               "treadle-server without its dashboard: /metrics, /healthz, /readyz, and POST "
               "/treadle.v1.QueueService/ListQueues and the like",
               response);
  }
  Say(kNotFound,
      absl::StrCat("there is nothing at this path",
                   absl::StartsWith(request.path, "/treadle.")
                       ? ": methods of the API are called with POST"
                       : ""),
      response);
}

void Pages::Write(const Page& page, const httplib::Request& request, httplib::Response& response) {
  for (const auto& [header, value] : kHeaders) response.set_header(header, value);
  if (page.is_gzip) {
    response.set_header("Vary", "Accept-Encoding");
    if (!request.has_header("Accept-Encoding")) {
      return Say(kNotAcceptable,
                 "this file is to be had compressed only: ask with Accept-Encoding: gzip (curl "
                 "--compressed)",
                 response);
    }
  }
  response.set_header("ETag", page.etag);
  response.set_header("Cache-Control", "no-cache");
  if (IsKnown(request, page.etag)) {
    response.status = kNotModified;
    return;
  }
  if (page.is_gzip) response.set_header("Content-Encoding", "gzip");
  response.status = kOk;
  // Content that is not a string httplib does not compress.
  response.set_content_provider(page.bytes.size(), page.content_type,
                                [&page](size_t offset, size_t length, httplib::DataSink& sink) {
                                  return sink.write(page.bytes.data() + offset, length);
                                });
}

}  // namespace treadle::http
