#include "base/write_line.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::string_view kCutEnd = " … (cut)\n";

std::atomic<std::uint64_t> dropped{0};

bool has_room(int descriptor) {
    pollfd wanted{.fd = descriptor, .events = POLLOUT, .revents = 0};
    return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLOUT) != 0;
}

}  // namespace

bool write_line(int descriptor, std::string_view text) {
    std::array<char, kLogLineBytesMax> line;  // NOLINT: each byte that is written is set below
    const bool is_whole = text.size() < line.size();
    const std::string_view end = is_whole ? "\n" : kCutEnd;
    const std::string_view kept = is_whole ? text : cut(text, line.size() - end.size());
    char* const middle = std::ranges::copy(kept, line.begin()).out;
    std::ranges::copy(end, middle);
    const std::size_t size = kept.size() + end.size();
    if (has_room(descriptor) &&
        ::write(descriptor, line.data(), size) == static_cast<ssize_t>(size)) {
        return true;
    }
    dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
}

std::uint64_t lines_dropped() { return dropped.load(std::memory_order_relaxed); }

}  // namespace eventbus
