#include "app/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/diagnostics.h"

namespace eventbus {

Result<DataDirectory> DataDirectory::take(const std::string& path) {
    const auto why = [] { return std::generic_category().message(errno); };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return Error{ErrorCode::kUnavailable,
                     "the data directory " + path + " cannot be opened: " + why()};
    }
    DataDirectory taken(descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return taken;
    if (errno == EWOULDBLOCK) {
        return Error{ErrorCode::kUnavailable, "another server uses this data directory, " + path +
                                                  ": give this one its own, --data DIR"};
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
