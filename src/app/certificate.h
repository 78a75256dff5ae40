#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "app/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/tls.h"

namespace eventbus {

TlsFiles tls_files(const Config& config);

// The certificate that the public address shows now, and how it is exchanged.
//
// Thread: main; expires_at_s() any.
class Certificate {
 public:
    explicit Certificate(const Clock& clock) : clock_(clock) {}

    // At the start. One that has expired is shown nevertheless, with a warning.
    // Errors: as TlsContext::load().
    Result<std::shared_ptr<const TlsContext>> read(const TlsFiles& files);

    // Later. Null: what lies there can not be used or has expired; the process' log says why, and
    // what was read before stays.
    std::shared_ptr<const TlsContext> read_again(const TlsFiles& files);

    // Seconds since 1970; 0 before the first read().
    std::int64_t expires_at_s() const { return expires_at_s_.load(std::memory_order_relaxed); }

 private:
    bool has_expired(const TlsContext& context) const;
    void note(const TlsContext& context);

    const Clock& clock_;
    std::atomic<std::int64_t> expires_at_s_{0};
};

}  // namespace eventbus
