#include "app/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kOfEachReactor = 6;  // epoll, its bell, io_uring, two listeners, one to spare
// Write-ahead logs, locks and new tables of three stores; files that are read at a reload.
constexpr std::size_t kOfAll = 64 + kOperatorsConnectionsMax;
constexpr std::size_t kTableFilesMin = 30;  // ten for each store, which RocksDB takes anyway
constexpr std::size_t kTableFilesMax = 384;
constexpr std::size_t kConnectionsMin = 16;

constexpr std::string_view kHowToRaise =
    "LimitNOFILE= in systemd, --ulimit nofile= in Docker, ulimit -n in a shell";

// Those that came with the process are open, too.
std::size_t count_open() {
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return 0;
    std::size_t entries = 0;
    while (::readdir(folder) != nullptr) ++entries;
    ::closedir(folder);
    return entries - std::min<std::size_t>(entries, 3);  // two dots, and this folder
}

}  // namespace

Result<Descriptors> share_descriptors(std::size_t limit, std::size_t open_now,
                                      std::size_t reactors) {
    const std::size_t fixed = open_now + kOfAll + reactors * kOfEachReactor;
    const std::size_t least = fixed + kTableFilesMin + kConnectionsMin;
    if (limit < least) {
        return Error{ErrorCode::kUnavailable,
                     fmt::format("a process may have {} files open here, and with {} reactors it "
                                 "takes {} at least; raise the limit ({})",
                                 limit, reactors, least, kHowToRaise)};
    }
    const std::size_t table_files = std::clamp((limit - fixed) / 2, kTableFilesMin, kTableFilesMax);
    const std::size_t kept = fixed + table_files;
    return Descriptors{limit, kept, limit - kept, table_files};
}

Result<Descriptors> take_descriptors(std::size_t reactors, std::size_t connections_max) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return Error{ErrorCode::kInternal, "the limit of open files cannot be read"};
    }
    limit.rlim_cur = limit.rlim_max;  // the usual soft limit of 1024 is for programs with select()
    ::setrlimit(RLIMIT_NOFILE, &limit);
    Result<Descriptors> shared = share_descriptors(limit.rlim_cur, count_open(), reactors);
    if (!shared) return shared;

    // The kernel's table of descriptors grows by copying, which holds every thread up: once is
    // best.
    const std::size_t wanted = std::min(shared->limit, shared->kept + connections_max);
    const int highest = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(wanted) - 1);
    if (highest >= 0) ::close(highest);

    const diagnostics::Fields fields{{"open_files_max", std::to_string(shared->limit)},
                                     {"kept_for_stores", std::to_string(shared->kept)},
                                     {"for_connections", std::to_string(shared->connections)},
                                     {"connections_max", std::to_string(connections_max)}};
    if (shared->connections >= connections_max) {
        diagnostics::info("there are descriptors for all connections", fields);
    } else {
        diagnostics::warn(fmt::format("there are fewer descriptors than connections_max; raise the "
                                      "limit of open files ({}), or lower connections_max",
                                      kHowToRaise),
                          fields);
    }
    return shared;
}

void guard_standard_descriptors() {
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(descriptor, F_GETFD) != -1) continue;
        // The lowest that is free, and so this one. What a command prints must not vanish in
        // silence: a write to this standard output fails.
        [[maybe_unused]] const int opened =
            ::open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR);
    }
}

}  // namespace eventbus
