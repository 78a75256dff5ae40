#include "base/settings_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace eventbus {
namespace {

using std::chrono::steady_clock;

constexpr auto kWait = std::chrono::seconds(3);  // a command behind a pipe that asks a vault

Error unusable(std::string why) { return {ErrorCode::kBadRequest, std::move(why)}; }

Error failed() { return unusable(fmt::format("cannot be read: {}", std::strerror(errno))); }

Error not_opened(const std::string& path) {
    Error error = failed();
    std::error_code is_no_link;
    const std::filesystem::path target = std::filesystem::read_symlink(path, is_no_link);
    if (is_no_link) return error;
    return unusable(fmt::format("{} (it is a link to {})", error.detail, target.string()));
}

std::string size_text(std::size_t bytes) {
    constexpr std::size_t kKibi = 1U << 10U;
    constexpr std::size_t kMebi = 1U << 20U;
    if (bytes % kMebi == 0) return fmt::format("{} MiB", bytes / kMebi);
    if (bytes % kKibi == 0) return fmt::format("{} KiB", bytes / kKibi);
    return fmt::format("{} bytes", bytes);
}

Result<std::string> read_all(int file, std::size_t bytes_max) {
    using Milliseconds = std::chrono::duration<int, std::milli>;
    const auto until = steady_clock::now() + kWait;
    std::string text(bytes_max + 1, '\0');
    std::size_t size = 0;
    while (size <= bytes_max) {
        // A file is always ready. A pipe that nobody has opened for writing yet is not, but would
        // read as empty.
        const auto left = std::chrono::ceil<Milliseconds>(until - steady_clock::now());
        pollfd wanted{.fd = file, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&wanted, 1, std::max(left.count(), 0));
        if (ready == 0 || left.count() <= 0) {
            return unusable(
                fmt::format("is a pipe or a device that did not end within {} s; name a file, or "
                            "write into the pipe and close it",
                            kWait.count()));
        }
        if (ready < 0) continue;  // a signal
        const ssize_t got = ::read(file, text.data() + size, text.size() - size);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0) return failed();
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > bytes_max) {
        return Error{ErrorCode::kTooLarge, "is larger than " + size_text(bytes_max)};
    }
    text.resize(size);
    return text;
}

}  // namespace

Result<std::string> read_settings_file(const std::string& path, std::size_t bytes_max) {
    // The open of a pipe would wait for somebody who writes; a terminal must not become ours.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return not_opened(path);
    Result<std::string> text = read_all(file, bytes_max);
    ::close(file);
    return text;
}

}  // namespace eventbus
