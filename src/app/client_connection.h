#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "app/server_url.h"
#include "base/result.h"

namespace eventbus {

// A connection to a server, over TCP or, for https, TLS 1.2 or 1.3 on it, where the server has to
// show a certificate for the host of its URL, from an authority that `ca_file` or the system names.
//
// Thread:  one; calls block, for `timeout` at most (negative: for any time).
class ClientConnection {
 public:
    // Errors: kUnavailable, nobody answers there; kTimeout; kBadRequest, TLS and its certificate
    // are not what the URL says, and the fix.
    static Result<ClientConnection> open(const ServerUrl& server,
                                         std::chrono::milliseconds timeout);
    ClientConnection(ClientConnection&&) noexcept;
    ClientConnection& operator=(ClientConnection&&) = delete;
    ~ClientConnection();

    // A server that has closed already is no error: its answer can be read.
    // Errors: kTimeout; kInternal, the connection failed.
    Result<> write(std::string_view bytes, std::chrono::milliseconds timeout);

    // The next bytes, until the next call; empty at the end.
    // Errors: as write().
    Result<std::string_view> read(std::chrono::milliseconds timeout);

 private:
    class Link;
    explicit ClientConnection(std::unique_ptr<Link> link);

    std::unique_ptr<Link> link_;
};

}  // namespace eventbus
