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

// A certificate of a test's own, with its key; both PEM.
struct TestCertificate {
    std::string certificate;
    std::string key;
};

struct CertificateOptions {
    std::string name = "localhost";
    long starts_in_s = -24L * 3'600;  // from now
    long ends_in_s = 3'600;
    const TestCertificate* signer = nullptr;  // null: itself
};

inline TestCertificate make_certificate(const CertificateOptions& options) {
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
    X509_gmtime_adj(X509_getm_notBefore(certificate), options.starts_in_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), options.ends_in_s);
    X509_set_pubkey(certificate, key);
    X509_NAME* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1,
                               0);
    if (options.signer == nullptr) {
        X509_set_issuer_name(certificate, name);
        BUS_ASSERT(X509_sign(certificate, key, EVP_sha256()) > 0);
    } else {
        const auto bio_of = [](const std::string& pem) {
            return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
        };
        BIO* const by = bio_of(options.signer->certificate);
        BIO* const with = bio_of(options.signer->key);
        X509* const signer = PEM_read_bio_X509(by, nullptr, nullptr, nullptr);
        EVP_PKEY* const signing_key = PEM_read_bio_PrivateKey(with, nullptr, nullptr, nullptr);
        X509_set_issuer_name(certificate, X509_get_subject_name(signer));
        BUS_ASSERT(X509_sign(certificate, signing_key, EVP_sha256()) > 0);
        EVP_PKEY_free(signing_key);
        X509_free(signer);
        BIO_free(with);
        BIO_free(by);
    }
    TestCertificate made{text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); }),
                         text_of([&](BIO* bio) {
                             return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr,
                                                             nullptr);
                         })};
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}

// For "localhost", signed by itself. `ends_in_s` below 0: it ended before now.
inline TestCertificate make_certificate(long ends_in_s = 3'600) {
    return make_certificate(CertificateOptions{.ends_in_s = ends_in_s});
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
