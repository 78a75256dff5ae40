#include "app/ticket_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

// Nothing, and errno: it cannot be read; EINVAL: it is no key.
std::optional<SealKey> read_key(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return std::nullopt;
    SealKey key;
    std::byte more{};
    const ssize_t got = ::read(file, key.bytes.data(), key.bytes.size());
    const bool is_whole = got == ssize_t{SealKey::kBytes} && ::read(file, &more, 1) == 0;
    ::close(file);
    if (is_whole) return key;
    errno = EINVAL;
    return std::nullopt;
}

// Written aside and linked into place, so that nobody ever reads half of it. False, and errno.
bool write_key(const std::string& path, const SealKey& key, Random& random) {
    const std::string aside = path + "." + random_token(random, 12);
    const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return false;
    const ssize_t written = ::write(file, key.bytes.data(), key.bytes.size());
    bool is_put = written == ssize_t{SealKey::kBytes} && ::fsync(file) == 0;
    is_put = ::close(file) == 0 && is_put && ::link(aside.c_str(), path.c_str()) == 0;
    const int why = errno;
    ::unlink(aside.c_str());
    errno = why;
    return is_put;
}

std::string reason_of(int why) {
    if (why == EINVAL) {
        return "it does not hold the 32 bytes of a key: delete it, and the next start makes one";
    }
    return std::string(std::strerror(why)) +
           ": the user of this process has to read and write it, and its disk to have room";
}

}  // namespace

SealKey ticket_key(const std::string& data_dir, Random& random) {
    const std::string path = (std::filesystem::path(data_dir) / "ticket-key").string();
    if (const auto key = read_key(path)) return *key;
    int why = errno;
    const bool is_missing = why == ENOENT;
    SealKey key;
    random.fill(key.bytes);
    if (is_missing) {
        if (write_key(path, key, random)) return key;
        why = errno;
    }
    diagnostics::warn(
        "the key of tickets for streams cannot be kept: browsers that come back with one after a "
        "restart have to get another",
        {{"file", path}, {"why", reason_of(why)}});
    return key;
}

}  // namespace eventbus
