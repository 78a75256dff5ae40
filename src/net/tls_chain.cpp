#include "net/tls_chain.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/assert.h"

namespace eventbus {
namespace {

template <auto Free>
struct Freer {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using Store = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

bool has_signed(X509* signer, X509* certificate) {
    const bool has = X509_check_issued(signer, certificate) == X509_V_OK &&
                     X509_verify(certificate, X509_get0_pubkey(signer)) == 1;
    ERR_clear_error();
    return has;
}

bool is_signed_by_a_trusted_one(X509* certificate) {
    const Store store(X509_STORE_new());
    const StoreContext context(X509_STORE_CTX_new());
    BUS_ASSERT(store && context);
    X509_STORE_set_default_paths(store.get());
    BUS_ASSERT(X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr) == 1);
    X509* issuer = nullptr;
    const bool is_known = X509_STORE_CTX_get1_issuer(&issuer, context.get(), certificate) == 1;
    X509_free(issuer);
    ERR_clear_error();
    return is_known;
}

std::string name_of(const X509_NAME* name) {
    BIO* const bio = BIO_new(BIO_s_mem());
    BUS_ASSERT(bio != nullptr);
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<std::size_t>(count));
    BIO_free(bio);
    return text;
}

}  // namespace

std::vector<std::string> doubts_about_chain(const std::vector<X509*>& chain) {
    BUS_ASSERT(!chain.empty());
    std::vector<std::string> doubts;
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
        if (has_signed(chain[i + 1], chain[i])) continue;
        doubts.push_back(fmt::format(
            "its number {} did not sign its number {}; write the server's own first and "
            "behind each the one that signed it",
            i + 2, i + 1));
    }
    X509* const last = chain.back();
    if (doubts.empty() && !has_signed(last, last) && !is_signed_by_a_trusted_one(last)) {
        doubts.push_back(
            fmt::format("it ends with one signed by \"{}\", which this machine does not know as an "
                        "authority; unless your clients do, write that one's certificate behind it",
                        name_of(X509_get_issuer_name(last))));
    }
    return doubts;
}

}  // namespace eventbus
