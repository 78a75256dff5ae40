#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/assert.h"
#include "support/folder.h"

namespace eventbus {

// A certificate of a test's own for "localhost", signed by itself, with its key; both PEM.
struct TestCertificate {
    std::string certificate;
    std::string key;
};

// `ends_in_s` below 0: it ended before now.
inline TestCertificate make_certificate(long ends_in_s = 3'600) {
    const auto text_of = [](auto write) {
        BIO* const bio = BIO_new(BIO_s_mem());
        BUS_ASSERT(write(bio) == 1);
        char* bytes = nullptr;
        const long count = BIO_get_mem_data(bio, &bytes);
        std::string text(bytes, static_cast<std::size_t>(count));
        BIO_free(bio);
        return text;
    };
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    BUS_ASSERT(key != nullptr && certificate != nullptr);
    X509_set_version(certificate, X509_VERSION_3);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -24L * 3'600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), ends_in_s);
    X509_set_pubkey(certificate, key);
    X509_NAME* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    BUS_ASSERT(X509_sign(certificate, key, EVP_sha256()) > 0);
    TestCertificate made{text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); }),
                         text_of([&](BIO* bio) {
                             return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr,
                                                             nullptr);
                         })};
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}

// Writes a file that only its owner may read, over what was there.
inline std::string write_file(const Folder& folder, const std::string& name,
                              const std::string& text) {
    const std::filesystem::path path = folder.path() / name;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path.string();
}

}  // namespace eventbus
