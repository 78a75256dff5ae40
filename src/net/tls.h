#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace eventbus {

// Where the certificate lies, with those that lead to its authority behind it, and its key; PEM.
struct TlsFiles {
    std::string certificate;
    std::string key;
};

// What a reactor counts of its TLS connections.
struct TlsProbe {
    Counter handshakes;
    Counter failures;  // that began and did not end well, for whatever reason, a time-out too
};

// A certificate with its key, and how we speak TLS with it: 1.2 or 1.3, ALPN http/1.1, tickets
// without a cache of sessions. Made of files once; other files make another one, and connections
// stay with the one that they began with.
//
// Thread: any.
class TlsContext {
 public:
    // Reads and checks both files. Warns if others than its owner and group may read the key.
    // Errors: kBadRequest; which file cannot be used, why, and how to fix it.
    static Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);

    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    // From when and until when clients take the certificate.
    std::chrono::system_clock::time_point starts_at() const { return starts_at_; }
    std::chrono::system_clock::time_point expires_at() const { return expires_at_; }

    // Why clients may refuse it all the same (net/tls_chain.h).
    const std::vector<std::string>& doubts() const { return doubts_; }

    // OpenSSL's state of one more connection, which keeps what it needs of us; the caller frees
    // it. Null: out of memory.
    ssl_st* make_session() const;

 private:
    explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

    ssl_ctx_st* context_;
    std::chrono::system_clock::time_point starts_at_;
    std::chrono::system_clock::time_point expires_at_;
    std::vector<std::string> doubts_;
};

}  // namespace eventbus
