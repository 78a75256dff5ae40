#include "app/peer_certificate.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>
#include <span>
#include <string_view>

#include "net/ip_address.h"

namespace eventbus {
namespace {

constexpr int kNamesShown = 5;

std::string text_of(const ASN1_STRING& value) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&value)),
            static_cast<std::size_t>(ASN1_STRING_length(&value))};
}

// As 2026-11-29.
std::string day_of(const ASN1_TIME* time) {
    std::tm day{};
    std::array<char, 16> text{};
    if (ASN1_TIME_to_tm(time, &day) != 1) return "an unknown day";
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &day)};
}

std::string name_of(const GENERAL_NAME& name) {
    if (name.type == GEN_DNS) return text_of(*name.d.dNSName);
    if (name.type != GEN_IPADD) return {};
    const std::span bytes(ASN1_STRING_get0_data(name.d.iPAddress),
                          static_cast<std::size_t>(ASN1_STRING_length(name.d.iPAddress)));
    if (bytes.size() == 4) return IpAddress::v4(bytes.first<4>()).text();
    if (bytes.size() == 16) return IpAddress::v6(bytes.first<16>()).text();
    return {};
}

// Whom the certificate is for.
std::string names_of(X509& certificate) {
    struct Free {
        void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
    };
    const std::unique_ptr<GENERAL_NAMES, Free> all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string names;
    const int count = all ? sk_GENERAL_NAME_num(all.get()) : 0;
    for (int i = 0; i < count && i < kNamesShown; ++i) {
        const std::string name = name_of(*sk_GENERAL_NAME_value(all.get(), i));
        if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
    }
    if (count > kNamesShown) names += " and others";
    return names.empty() ? "no name at all" : names;
}

std::string issuer_of(const X509& certificate) {
    struct Free {
        void operator()(BIO* bio) const { BIO_free(bio); }
    };
    const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(bio.get(), X509_get_issuer_name(&certificate), 0,
                       XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ & ~ASN1_STRFLGS_ESC_MSB);
    char* bytes = nullptr;
    const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &bytes));
    return {bytes, size};
}

}  // namespace

Error refused_certificate(const ServerUrl& server, X509_STORE_CTX* verification) {
    const int why = X509_STORE_CTX_get_error(verification);
    X509* const certificate = X509_STORE_CTX_get_current_cert(verification);
    const auto refuse = [&](const std::string& reason) {
        return Error{ErrorCode::kBadRequest, "the certificate of " + server.text + " " + reason};
    };
    if (certificate == nullptr) return refuse(X509_verify_cert_error_string(why));
    switch (why) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return refuse("is for " + names_of(*certificate) + ", and not for " + server.host +
                          "; name the server in --url as its certificate does");
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return refuse("is signed by \"" + issuer_of(*certificate) + "\", which " +
                          (server.ca_file.empty() ? "this machine does not trust"
                                                  : "is not in " + server.ca_file) +
                          "; if it is yours, name the certificate of that authority with --cacert "
                          "FILE or EVENT_BUS_CACERT");
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return refuse("has expired on " + day_of(X509_get0_notAfter(certificate)) +
                          "; have the server's certificate renewed, or this machine's clock set");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return refuse("is not good before " + day_of(X509_get0_notBefore(certificate)) +
                          "; wait, or have this machine's clock set");
        default:
            return refuse("is refused: " + std::string(X509_verify_cert_error_string(why)));
    }
}

}  // namespace eventbus
