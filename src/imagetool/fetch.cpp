// Downloading one file over HTTPS.
#include "imagetool/fetch.hpp"

#include <curl/curl.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "imagetool/progress.hpp"
#include "sys/file.hpp"

namespace ccsand::imagetool {

namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxHeaderBytes = 256 << 10;
constexpr long kStallBytesPerSecond = 128;  // slower than this for the stall time is a stall

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct FreeText {
  void operator()(char* text) const { curl_free(text); }
};
using Handle = std::unique_ptr<CURL, FreeHandle>;
using Text = std::unique_ptr<char, FreeText>;

Error fetch_error(std::string_view url, std::string_view reason, const char* hint = "") {
  return make_error(EIO, "fetch", url, reason, hint);
}

class Url {
 public:
  static std::optional<Url> parse(const std::string& text) {
    Url url;
    if (url.handle_ == nullptr ||
        curl_url_set(url.handle_.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
      return std::nullopt;
    }
    return url;
  }
  [[nodiscard]] std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(handle_.get(), which, &text, 0) != CURLUE_OK) return "";
    return std::string(Text(text).get());
  }
  // `reference` may be relative to this address.
  [[nodiscard]] bool go_to(const char* reference) {
    return curl_url_set(handle_.get(), CURLUPART_URL, reference, 0) == CURLUE_OK;
  }
  // For messages: they end up in logs, where a password has no place.
  [[nodiscard]] std::string shown() {
    (void)curl_url_set(handle_.get(), CURLUPART_USER, nullptr, 0);
    (void)curl_url_set(handle_.get(), CURLUPART_PASSWORD, nullptr, 0);
    return part(CURLUPART_URL);
  }

 private:
  Url() : handle_(curl_url()) {}
  std::unique_ptr<CURLU, FreeUrl> handle_;
};

const char* hint_for(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "check the address, and that the network and its DNS work";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "check the https_proxy and http_proxy variables";
    case CURLE_COULDNT_CONNECT:
      return "check that the host is reachable, or needs a proxy";
    case CURLE_PEER_FAILED_VERIFICATION:
      return "check the clock, and that ca-certificates is installed";
    case CURLE_SSL_CACERT_BADFILE:
      return "install ca-certificates";
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      return "the connection broke: try again";
    default:
      return "";
  }
}

const char* hint_for_status(long status) {
  if (status == 404 || status == 410) return "check the address: the server has no such file";
  if (status == 401 || status == 403) return "the server wants a login, or does not give this file away";
  if (status == 407) return "the proxy wants a login: put it into https_proxy";
  if (status == 429 || status >= 500) return "the server's fault: try again later";
  return "";
}

// One request and its answer; a redirect is an answer, too.
class Transfer {
 public:
  Transfer(const FetchRequest& request, const std::string& url, std::string shown)
      : request_(request), url_(url), shown_(std::move(shown)), handle_(curl_easy_init()) {}

  // The address to go on with, or "" when the file has been written.
  Result<std::string> run();

 private:
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self);
  static int on_progress(void* self, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t);
  [[nodiscard]] std::string redirect() const;
  bool set_up();
  bool set_up_limits();
  bool set_up_callbacks();
  [[nodiscard]] long status() const;
  [[nodiscard]] Error failure(CURLcode code) const;
  template <typename T>
  bool set(CURLoption option, T value) {
    return curl_easy_setopt(handle_.get(), option, value) == CURLE_OK;
  }

  const FetchRequest& request_;
  const std::string& url_;
  std::string shown_;
  Handle handle_;
  Progress progress_;
  char words_[CURL_ERROR_SIZE] = {};
  std::optional<Error> failure_;  // found in a callback
  std::uint64_t received_ = 0;
  std::size_t header_bytes_ = 0;
};

bool Transfer::set_up() {
  // Redirects are followed by fetch(), which can forbid the way back from HTTPS.
  return handle_ != nullptr && set(CURLOPT_URL, url_.c_str()) &&
         set(CURLOPT_PROTOCOLS_STR, request_.insecure_http ? "http,https" : "https") &&
         set(CURLOPT_FOLLOWLOCATION, 0L) && set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_SSL_VERIFYPEER, 1L) &&
         set(CURLOPT_SSL_VERIFYHOST, 2L) && set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2}) &&
         set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) && set(CURLOPT_ERRORBUFFER, &words_[0]) &&
         set(CURLOPT_USERAGENT, "ccsand-image/" CCSAND_VERSION) && set_up_limits() && set_up_callbacks();
}

bool Transfer::set_up_limits() {
  return set(CURLOPT_CONNECTTIMEOUT, request_.connect_timeout) &&
         set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond) &&
         set(CURLOPT_LOW_SPEED_TIME, request_.stall_timeout) &&
         set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_bytes));
}

bool Transfer::set_up_callbacks() {
  return set(CURLOPT_WRITEFUNCTION, &Transfer::on_body) && set(CURLOPT_WRITEDATA, this) &&
         set(CURLOPT_HEADERFUNCTION, &Transfer::on_header) && set(CURLOPT_HEADERDATA, this) &&
         set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress) && set(CURLOPT_XFERINFODATA, this) &&
         set(CURLOPT_NOPROGRESS, request_.progress ? 0L : 1L);
}

long Transfer::status() const {
  long status = 0;
  (void)curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);  // 0 when there is none
  return status;
}

// The address in the answer's Location, or "". (CURLINFO_REDIRECT_URL stays empty where
// on_body stopped the transfer.)
std::string Transfer::redirect() const {
  curl_header* location = nullptr;
  if (curl_easy_header(handle_.get(), "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK) return "";
  std::optional<Url> url = Url::parse(url_);
  return url && url->go_to(location->value) ? url->part(CURLUPART_URL) : location->value;
}

std::size_t Transfer::on_header(char*, std::size_t, std::size_t size, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  transfer->header_bytes_ += size;
  if (transfer->header_bytes_ <= kMaxHeaderBytes) return size;
  transfer->failure_ = fetch_error(transfer->shown_, "the server sends headers without end");
  return 0;
}

std::size_t Transfer::on_body(char* data, std::size_t, std::size_t size, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  // A page that says why there is no file is not the file: stop, run() looks at the status.
  if (transfer->status() != 200) return 0;
  if (size > transfer->request_.max_bytes - transfer->received_) {
    transfer->failure_ = transfer->failure(CURLE_FILESIZE_EXCEEDED);
    return 0;
  }
  auto written = sys::write_all(transfer->request_.output, std::string_view(data, size), "standard output");
  if (!written) {
    transfer->failure_ = written.error().in("fetch " + transfer->shown_);
    return 0;
  }
  transfer->received_ += size;
  return size;
}

int Transfer::on_progress(void* self, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
  auto* transfer = static_cast<Transfer*>(self);
  if (transfer->status() == 200) transfer->progress_.show(now, total);
  return 0;
}

Error Transfer::failure(CURLcode code) const {
  if (code == CURLE_FILESIZE_EXCEEDED) {
    return fetch_error(shown_, "larger than " + std::to_string(request_.max_bytes) + " bytes",
                       "raise --max-bytes if you trust it");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    curl_off_t connected = 0;
    (void)curl_easy_getinfo(handle_.get(), CURLINFO_CONNECT_TIME_T, &connected);  // stays 0
    if (connected == 0) return fetch_error(shown_, "no connection in time", hint_for(CURLE_COULDNT_CONNECT));
    return fetch_error(shown_, "the transfer stalled", "try again, or raise --stall-timeout");
  }
  return fetch_error(shown_, words_[0] != '\0' ? &words_[0] : curl_easy_strerror(code), hint_for(code));
}

Result<std::string> Transfer::run() {
  if (!set_up()) return fetch_error(shown_, "libcurl cannot be set up");
  CURLcode code = curl_easy_perform(handle_.get());
  if (request_.progress) progress_.end();
  if (failure_) return *failure_;
  long answer = status();
  if (std::string next = redirect(); answer >= 300 && answer < 400 && !next.empty()) return next;
  // A body that is not wanted was stopped by on_body: its status says more than that.
  if (answer != 0 && answer != 200 && (code == CURLE_OK || code == CURLE_WRITE_ERROR)) {
    return fetch_error(shown_, "the server answered " + std::to_string(answer), hint_for_status(answer));
  }
  if (code != CURLE_OK) return failure(code);
  return std::string();
}

Error refuse_scheme(const std::string& shown, std::string_view scheme, bool redirected) {
  const std::string reason = (redirected ? "redirected to " : "the scheme ") + std::string(scheme);
  if (scheme != "http")
    return fetch_error(shown, reason + " is refused", "only https:// addresses can be fetched");
  return fetch_error(shown, reason + " is refused: nothing protects it on its way",
                     redirected ? "" : "use https://, or --insecure-http with a --sha256 to verify");
}

}  // namespace

bool may_redirect(std::string_view from, std::string_view to, bool insecure_http) {
  return to == "https" || (to == "http" && from == "http" && insecure_http);
}

Result<void> fetch(const FetchRequest& request) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fetch_error("", "libcurl cannot be set up");
  std::string next = request.url;
  std::string scheme = "http";  // what is allowed at first is what http may redirect to
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    std::optional<Url> url = Url::parse(next);
    if (!url) return fetch_error(next, "not an address", "an address looks like https://host/path");
    std::string to = url->part(CURLUPART_SCHEME);
    std::string shown = url->shown();
    if (!may_redirect(scheme, to, request.insecure_http)) return refuse_scheme(shown, to, hop > 0);
    scheme = to;
    std::string location = CCSAND_TRY(Transfer(request, next, shown).run());
    if (location.empty()) return {};
    next = location;
  }
  return fetch_error(request.url, "more than 5 redirects");
}

}  // namespace ccsand::imagetool
