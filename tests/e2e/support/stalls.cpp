// A library to be loaded before all others (LD_PRELOAD), which stalls the disk: while the file
// exists that EVENTBUS_STALL_FILE names, no sync comes back.

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
}
