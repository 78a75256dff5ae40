#include <malloc.h>

#include "app/cli.h"
#include "app/serve.h"

namespace {

// glibc makes the heap of a thread writable page by page as it grows, each with a system call,
// which was a twentieth of what an event costs while the tail fills. With a step of 64 MB, the most
// that a heap has, all of it is writable at once; it is still the kernel's until it is touched. Who
// sets one of these ends glibc's own tuning of the others, so all are set. And it joins the pieces
// in its fast bins all at once now and then: 8 ms for 15,000 clients, so there are none.
void tune_malloc() {
    constexpr int kMegabyte = 1 << 20;
    ::mallopt(M_TOP_PAD, 64 * kMegabyte);
    ::mallopt(M_TRIM_THRESHOLD, 64 * kMegabyte);
    ::mallopt(M_MMAP_THRESHOLD, kMegabyte);
    ::mallopt(M_MXFAST, 0);
}

}  // namespace

int main(int argc, char** argv) {
    tune_malloc();
    return eventbus::run_command_line(argc, argv, eventbus::serve);
}
