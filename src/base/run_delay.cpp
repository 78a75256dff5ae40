#include "base/run_delay.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace eventbus {

RunDelay::RunDelay() : descriptor_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

RunDelay::~RunDelay() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::chrono::nanoseconds RunDelay::read() const {
    // "<ns on a processor> <ns waiting for one> <times>" (Linux,
    // Documentation/scheduler/sched-stats)
    std::array<char, 96> bytes{};
    const ssize_t got = descriptor_ < 0 ? 0 : ::pread(descriptor_, bytes.data(), bytes.size(), 0);
    if (got <= 0) return {};
    const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
    const std::size_t at = text.find(' ');
    if (at == std::string_view::npos) return {};
    std::chrono::nanoseconds::rep waited = 0;
    std::from_chars(text.data() + at + 1, text.data() + text.size(), waited);
    return std::chrono::nanoseconds(waited);
}

}  // namespace eventbus
