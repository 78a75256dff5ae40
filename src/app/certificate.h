#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/tls.h"

namespace eventbus {

TlsFiles tls_files(const Config& config);

// Why clients refuse what is shown, or may, at this time; for warnings.
std::vector<std::string> doubts_about(const TlsContext& context, Clock::WallTime now);

// The certificate that the public address shows now, and how it is exchanged.
//
// Thread: main; expires_at_s() any.
class Certificate {
 public:
    explicit Certificate(const Clock& clock) : clock_(clock) {}

    // At the start. One that clients refuse, or may, is shown nevertheless, with a warning.
    // Errors: as TlsContext::load().
    Result<std::shared_ptr<const TlsContext>> read(const TlsFiles& files);

    // Later. Null: what lies there cannot be used, has expired or is not valid yet; the process'
    // log says why, and what was read before stays.
    std::shared_ptr<const TlsContext> read_again(const TlsFiles& files);

    // Seconds since 1970; 0 before the first read().
    std::int64_t expires_at_s() const { return expires_at_s_.load(std::memory_order_relaxed); }

 private:
    void warn(const TlsContext& context, const TlsFiles& files) const;
    void note(const TlsContext& context);

    const Clock& clock_;
    std::atomic<std::int64_t> expires_at_s_{0};
};

}  // namespace eventbus
