#include "app/certificate.h"

#include <chrono>
#include <string_view>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kOldStays =
    "the TLS certificate can not be exchanged; the old one stays";

}  // namespace

TlsFiles tls_files(const Config& config) {
    return {.certificate = config.tls_certificate_file, .key = config.tls_key_file};
}

bool Certificate::has_expired(const TlsContext& context) const {
    return context.expires_at() <= clock_.wall_now();
}

void Certificate::note(const TlsContext& context) {
    const auto since_1970 = context.expires_at().time_since_epoch();
    expires_at_s_ = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
}

Result<std::shared_ptr<const TlsContext>> Certificate::read(const TlsFiles& files) {
    auto context = TlsContext::load(files);
    if (!context) return context;
    if (has_expired(**context)) {
        diagnostics::warn(
            "the TLS certificate has expired, and clients will refuse it; put a new one there and "
            "send SIGHUP",
            {{"file", files.certificate}});
    }
    note(**context);
    return context;
}

std::shared_ptr<const TlsContext> Certificate::read_again(const TlsFiles& files) {
    const auto context = TlsContext::load(files);
    if (!context) {
        diagnostics::error(kOldStays, {{"why", context.error().detail}});
        return nullptr;
    }
    if (has_expired(**context)) {
        diagnostics::error(kOldStays, {{"why", "what lies there has expired; put a new one there"},
                                       {"file", files.certificate}});
        return nullptr;
    }
    note(**context);
    return *context;
}

}  // namespace eventbus
