#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

#include "app/cli.h"
#include "app/descriptors.h"
#include "app/serve.h"
#include "base/write_line.h"

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

// A write to a pipe that nobody reads any more, or beyond `ulimit -f`, fails as on a full disk.
void ignore_signals_of_writes() {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

// Whatever is in hand cannot be finished then, and nothing that was answered is lost by an end.
[[noreturn]] void end_without_memory() {
    constexpr std::string_view kSentence =
        "eventbus: out of memory; raise the memory limit of the process (ulimit -v, MemoryMax= in "
        "systemd, --memory in Docker), or lower what it may hold (docs/configuration.md)";
    eventbus::write_line(STDERR_FILENO, kSentence);
    ::_exit(EXIT_FAILURE);
}

// A thread that the system does not start is told by an exception, and other threads run by then:
// they end the process before anybody could catch it.
[[noreturn]] void end_by_exception() {
    bool is_thread = std::uncaught_exceptions() > 0;
    if (const std::exception_ptr thrown = std::current_exception()) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::system_error&) {
            is_thread = true;
        } catch (...) {
            is_thread = false;
        }
    }
    if (!is_thread) std::abort();  // a fault of ours
    eventbus::write_line(
        STDERR_FILENO,
        "eventbus: a thread could not be started; raise the limits of memory (ulimit -v, "
        "MemoryMax= in systemd) and of threads (ulimit -u, TasksMax= in systemd)");
    ::_exit(EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
    eventbus::guard_standard_descriptors();
    ignore_signals_of_writes();
    std::set_new_handler(end_without_memory);
    std::set_terminate(end_by_exception);
    tune_malloc();
    return eventbus::run_command_line(argc, argv, eventbus::serve);
}
