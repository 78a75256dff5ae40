#include "app/certificate.h"

#include <chrono>
#include <string_view>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kOldStays = "the TLS certificate cannot be exchanged; the old one stays";

}  // namespace

TlsFiles tls_files(const Config& config) {
    return {.certificate = config.tls_certificate_file, .key = config.tls_key_file};
}

std::vector<std::string> doubts_about(const TlsContext& context, Clock::WallTime now) {
    std::vector<std::string> doubts;
    if (context.expires_at() <= now) doubts.emplace_back("it has expired; have it renewed");
    if (context.starts_at() > now)
        doubts.emplace_back("it is not valid yet; is the clock of this machine right?");
    doubts.insert(doubts.end(), context.doubts().begin(), context.doubts().end());
    return doubts;
}

void Certificate::warn(const TlsContext& context, const TlsFiles& files) const {
    for (const std::string& doubt : doubts_about(context, clock_.wall_now())) {
        diagnostics::warn("clients may refuse the TLS certificate: " + doubt,
                          {{"file", files.certificate}});
    }
}

void Certificate::note(const TlsContext& context) {
    const auto since_1970 = context.expires_at().time_since_epoch();
    expires_at_s_ = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
}

Result<std::shared_ptr<const TlsContext>> Certificate::read(const TlsFiles& files) {
    auto context = TlsContext::load(files);
    if (!context) return context;
    warn(**context, files);
    note(**context);
    return context;
}

std::shared_ptr<const TlsContext> Certificate::read_again(const TlsFiles& files) {
    const auto context = TlsContext::load(files);
    if (!context) {
        diagnostics::error(kOldStays, {{"why", context.error().detail}});
        return nullptr;
    }
    const auto now = clock_.wall_now();
    if ((*context)->expires_at() <= now || (*context)->starts_at() > now) {
        const bool has_expired = (*context)->expires_at() <= now;
        diagnostics::error(kOldStays, {{"why", has_expired ? "what lies there has expired"
                                                           : "what lies there is not valid yet"},
                                       {"file", files.certificate}});
        return nullptr;
    }
    warn(**context, files);
    note(**context);
    return *context;
}

}  // namespace eventbus
