// A library to be loaded before all others (LD_PRELOAD), which stalls the disk: while the file
// exists that EVENTBUS_STALL_FILE names, no sync comes back; nor does a write to standard error, if
// EVENTBUS_STALL_STDERR is set, as if that were a file on the same disk.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

void wait_while_stalled() {
    static const char* const file = std::getenv("EVENTBUS_STALL_FILE");
    constexpr timespec kPause{0, 10'000'000};
    while (file != nullptr && ::access(file, F_OK) == 0) ::nanosleep(&kPause, nullptr);
}

}  // namespace

extern "C" {

int fsync(int descriptor) {
    wait_while_stalled();
    return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor) {
    wait_while_stalled();
    return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
    static const bool stalls_errors = std::getenv("EVENTBUS_STALL_STDERR") != nullptr;
    if (descriptor == STDERR_FILENO && stalls_errors) wait_while_stalled();
    return ::syscall(SYS_write, descriptor, bytes, size);
}
}
