#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <ctime>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "base/settings_file.h"
#include "net/tls_chain.h"

namespace eventbus {
namespace {

constexpr std::size_t kFileBytesMax = 64U << 10U;  // a chain has a few kB, and each client gets it
constexpr std::size_t kChainMax = 16;              // more than OpenSSL's clients would follow
constexpr int kTickets = 1;                        // a client that comes back opens one connection
constexpr long kTicketSeconds = 2 * 60 * 60;

// RFC 7301, 3.1: each name behind its length.
constexpr std::string_view kHttp11 = "\x08http/1.1";

// Of TLS 1.2 what has forward secrecy and no known weakness; 1.3 has nothing else.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

template <auto Free>
struct Freer {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

Error unusable(std::string_view what, const std::string& file, std::string_view why_and_mend) {
    return Error{ErrorCode::kBadRequest, fmt::format("the {} {} {}", what, file, why_and_mend)};
}

// Why OpenSSL's last call failed, in its words; forgets it.
std::string take_openssl_reason() {
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    std::string text = reason == nullptr ? "OpenSSL does not say why" : reason;
    ERR_clear_error();
    return text;
}

Result<std::string> read_file(std::string_view what, const std::string& path,
                              std::string_view setting) {
    Result<std::string> text = read_settings_file(path, kFileBytesMax);
    if (text) return text;
    return unusable(what, path, fmt::format("{}; check {}", text.error().detail, setting));
}

// A key with a passphrase is refused: the default would ask for it on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

int select_alpn(SSL*, const unsigned char** chosen, unsigned char* length,
                const unsigned char* offered, unsigned offered_length, void*) {
    unsigned char* match = nullptr;
    const auto* ours = reinterpret_cast<const unsigned char*>(kHttp11.data());
    const int found = SSL_select_next_proto(
        &match, length, ours, static_cast<unsigned>(kHttp11.size()), offered, offered_length);
    // RFC 7301, 3.2: who cannot speak HTTP/1.1 is told so, and not answered in it.
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

Context make_context() {
    Context context(SSL_CTX_new(TLS_server_method()));
    BUS_ASSERT(context);
    BUS_ASSERT(SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1);
    BUS_ASSERT(SSL_CTX_set_cipher_list(context.get(), kCiphers12) == 1);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    // An idle connection has no buffers. A session lies in the client's ticket and not with us.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), kTickets);
    SSL_CTX_set_timeout(context.get(), kTicketSeconds);
    SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
    return context;
}

// The certificates of a file, the server's own first.
Result<std::vector<Certificate>> read_chain(const std::string& path) {
    const Result<std::string> text = read_file("certificate", path, "tls_certificate_file");
    if (!text) return text.error();
    const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
    std::vector<Certificate> chain;
    while (chain.size() < kChainMax) {
        Certificate next(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
        if (!next) break;
        chain.push_back(std::move(next));
    }
    const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string reason = take_openssl_reason();
    if (chain.empty() && is_at_end) {
        return unusable("certificate", path,
                        "holds no certificate; name a PEM file that begins with -----BEGIN "
                        "CERTIFICATE----- in tls_certificate_file");
    }
    if (chain.size() == kChainMax) {
        return unusable("certificate", path,
                        "holds more than 15 of them; leave the server's and those that lead to its "
                        "authority");
    }
    if (!is_at_end) {
        return unusable(
            "certificate", path,
            fmt::format("is damaged at its number {} ({}); write it again, the server's own first",
                        chain.size() + 1, reason));
    }
    return chain;
}

Result<Key> read_key(const std::string& path) {
    const Result<std::string> text = read_file("TLS key", path, "tls_key_file");
    if (!text) return text.error();
    const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
    Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    if (key) return key;
    const std::string reason = take_openssl_reason();
    if (text->find("ENCRYPTED") != std::string::npos) {
        return unusable("TLS key", path,
                        fmt::format("has a passphrase, which nobody could type at a restart; write "
                                    "it without: openssl pkey -in {} -out NEW",
                                    path));
    }
    return unusable("TLS key", path,
                    fmt::format("holds no private key that can be used ({}); name a PEM file that "
                                "begins with -----BEGIN PRIVATE KEY----- in tls_key_file",
                                reason));
}

void warn_of_wide_rights(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || (status.st_mode & (S_IROTH | S_IWOTH)) == 0) return;
    diagnostics::warn("every user of this machine can read the TLS key; fix it with chmod o-rw",
                      {{"file", path}});
}

std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* date) {
    std::tm time{};
    if (ASN1_TIME_to_tm(date, &time) != 1) return std::nullopt;
    return std::chrono::system_clock::from_time_t(::timegm(&time));
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
    ERR_clear_error();
    Result<std::vector<Certificate>> chain = read_chain(files.certificate);
    if (!chain) return chain.error();
    const Result<Key> key = read_key(files.key);
    if (!key) return key.error();
    warn_of_wide_rights(files.key);

    Context context = make_context();
    X509* const own = chain->front().get();
    if (SSL_CTX_use_certificate(context.get(), own) != 1) {
        return unusable(
            "certificate", files.certificate,
            fmt::format("cannot be used ({}); have a new one made", take_openssl_reason()));
    }
    if (SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1) {
        return unusable("TLS key", files.key,
                        fmt::format("does not belong to the certificate {} ({}); name the two that "
                                    "were made together",
                                    files.certificate, take_openssl_reason()));
    }
    for (std::size_t i = 1; i < chain->size(); ++i) {
        if (SSL_CTX_add1_chain_cert(context.get(), (*chain)[i].get()) == 1) continue;
        return unusable("certificate", files.certificate,
                        fmt::format("cannot be used: its number {} is refused ({})", i + 1,
                                    take_openssl_reason()));
    }
    const auto starts_at = time_of(X509_get0_notBefore(own));
    const auto expires_at = time_of(X509_get0_notAfter(own));
    if (!starts_at || !expires_at)
        return unusable("certificate", files.certificate, "has no dates of its begin and end");
    std::vector<X509*> all;
    for (const Certificate& one : *chain) all.push_back(one.get());
    std::shared_ptr<TlsContext> made(new TlsContext(context.release()));
    made->starts_at_ = *starts_at;
    made->expires_at_ = *expires_at;
    made->doubts_ = doubts_about_chain(all);
    return std::shared_ptr<const TlsContext>(std::move(made));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

ssl_st* TlsContext::make_session() const { return SSL_new(context_); }

}  // namespace eventbus
