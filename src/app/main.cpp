#include <malloc.h>

#include "app/cli.h"

namespace {

// glibc grows the heap of a thread by single pages, each with a system call: a burst of connects is
// full of them. Who sets one of these ends its own tuning of the others, so all are set.
void grow_heaps_by_large_steps() {
    constexpr int kMegabyte = 1 << 20;
    ::mallopt(M_TOP_PAD, kMegabyte);
    ::mallopt(M_TRIM_THRESHOLD, 4 * kMegabyte);
    ::mallopt(M_MMAP_THRESHOLD, kMegabyte);
}

}  // namespace

int main(int argc, char** argv) {
    grow_heaps_by_large_steps();
    return eventbus::run_command_line(argc, argv);
}
