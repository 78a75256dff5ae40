#include "app/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/diagnostics.h"

namespace eventbus {

Error data_directory_error(const std::string& path, const char* what, int why) {
    const std::string fix =
        why == EACCES || why == EPERM
            ? fmt::format("let the user of this process, {}, do that, or name another", ::geteuid())
        : why == ENOTDIR || why == EEXIST ? std::string("name a folder, and no file")
        : why == EROFS ? std::string("mount its disk for writing, or name another")
                       : std::string("name another, or look at its disk");
    return {ErrorCode::kUnavailable, fmt::format("the data directory {} cannot be {}: {}; {}", path,
                                                 what, std::generic_category().message(why), fix)};
}

Result<DataDirectory> DataDirectory::take(const std::string& path) {
    const auto why = [] { return std::generic_category().message(errno); };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return data_directory_error(path, "opened", errno);
    }
    DataDirectory taken(descriptor);
    if (std::error_code none; std::filesystem::exists(path + "/CURRENT", none)) {
        return Error{ErrorCode::kUnavailable,
                     path +
                         " is the folder of one store, and not a data directory: name the "
                         "folder above it, --data DIR"};
    }
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return taken;
    if (errno == EWOULDBLOCK) {
        return Error{ErrorCode::kUnavailable,
                     "another server uses this data directory, " + path +
                         ": stop it, or give this one its own, --data DIR"};
    }
    // As on some file systems of a network. The stores have locks of their own.
    diagnostics::warn("the data directory cannot be locked as a whole; only its stores are",
                      {{"directory", path}, {"reason", why()}});
    return taken;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

DataDirectory::~DataDirectory() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace eventbus
