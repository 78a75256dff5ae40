#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "net/tls.h"
#include "support/certificate.h"
#include "support/raw_client.h"

namespace eventbus {

// What a server shows, of a certificate that is in no file.
inline std::shared_ptr<const TlsContext> context_of(const TestCertificate& made) {
    const Folder folder;
    auto loaded = TlsContext::load({write_file(folder, "certificate.pem", made.certificate),
                                    write_file(folder, "key.pem", made.key)});
    BUS_ASSERT(loaded.has_value());
    return *loaded;
}

// TLS of a client over a RawClient, which it feeds; checks no certificate. One thread; tick() moves
// bytes after the RawClient has.
class TlsClient {
 public:
    // `version`: TLS1_2_VERSION or TLS1_3_VERSION.
    explicit TlsClient(RawClient& raw, int version = TLS1_3_VERSION,
                       const std::string& alpn = "http/1.1")
        : raw_(raw) {
        context_ = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context_, version);
        SSL_CTX_set_max_proto_version(context_, version);
        ssl_ = SSL_new(context_);
        const std::string names = static_cast<char>(alpn.size()) + alpn;
        SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()));
        in_ = BIO_new(BIO_s_mem());
        out_ = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl_, in_, out_);
        SSL_set_connect_state(ssl_);
    }
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;
    ~TlsClient() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }

    // Encrypts, at once or when the handshake is done.
    void send(std::string_view bytes) { to_send_ += bytes; }
    void say_goodbye() { says_goodbye_ = true; }
    void update_key() { SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED); }

    // Goes on with what the raw client has received; gives it at most `count` bytes more.
    void tick(std::size_t count = std::numeric_limits<std::size_t>::max()) {
        const std::string received = std::exchange(raw_.received(), {});
        BUS_ASSERT(BIO_write(in_, received.data(), static_cast<int>(received.size())) ==
                       static_cast<int>(received.size()) ||
                   received.empty());
        ERR_clear_error();
        if (SSL_do_handshake(ssl_) == 1) {
            talk();
        } else if (ERR_peek_error() != 0) {
            has_failed_ = true;
        }
        char* bytes = nullptr;
        const auto waiting = static_cast<std::size_t>(BIO_get_mem_data(out_, &bytes));
        encrypted_.append(bytes, waiting);
        BIO_reset(out_);
        const std::string now = encrypted_.substr(0, count);
        encrypted_.erase(0, now.size());
        if (!now.empty()) raw_.send(now);
    }

    bool is_ready() const { return SSL_is_init_finished(ssl_) != 0; }
    bool has_failed() const { return has_failed_; }
    bool has_encrypted() const { return !encrypted_.empty(); }  // that tick() has not given yet
    bool saw_goodbye() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }
    std::string& received() { return received_; }
    const char* version() const { return SSL_get_version(ssl_); }
    std::string alpn() const {
        const unsigned char* name = nullptr;
        unsigned length = 0;
        SSL_get0_alpn_selected(ssl_, &name, &length);
        return {reinterpret_cast<const char*>(name), length};
    }
    // The number of the certificate that the server has shown.
    long serial() const {
        X509* const shown = SSL_get0_peer_certificate(ssl_);
        return shown == nullptr ? 0 : ASN1_INTEGER_get(X509_get0_serialNumber(shown));
    }

 private:
    void talk() {
        if (!to_send_.empty()) {
            BUS_ASSERT(SSL_write(ssl_, to_send_.data(), static_cast<int>(to_send_.size())) ==
                       static_cast<int>(to_send_.size()));
            to_send_.clear();
        }
        if (std::exchange(says_goodbye_, false)) SSL_shutdown(ssl_);
        char buffer[16 * 1024];
        for (;;) {
            const int got = SSL_read(ssl_, buffer, sizeof buffer);
            if (got <= 0) break;
            received_.append(buffer, static_cast<std::size_t>(got));
        }
        has_failed_ = has_failed_ || ERR_peek_error() != 0;
    }

    RawClient& raw_;
    SSL_CTX* context_;
    SSL* ssl_;
    BIO* in_;
    BIO* out_;
    std::string to_send_;
    std::string encrypted_;
    std::string received_;
    bool says_goodbye_ = false;
    bool has_failed_ = false;
};

}  // namespace eventbus
