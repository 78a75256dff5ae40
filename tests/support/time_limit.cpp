#include "support/time_limit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

namespace eventbus {
namespace {

constexpr int kFramesMax = 64;
constexpr int kSignal = SIGURG;  // nothing here uses it

// Where the thread that is asked stands; one is asked at a time.
std::array<void*, kFramesMax> frames;
std::atomic<int> frame_count{0};
sem_t has_answered;

void answer(int) {
    const int before = errno;
    frame_count = ::backtrace(frames.data(), kFramesMax);
    ::sem_post(&has_answered);
    errno = before;
}

// False: it has ended, or takes no signals.
bool ask(pid_t thread) {
    if (::syscall(SYS_tgkill, ::getpid(), thread, kSignal) != 0) return false;
    timespec give_up{};
    ::clock_gettime(CLOCK_REALTIME, &give_up);
    give_up.tv_sec += 2;
    while (::sem_timedwait(&has_answered, &give_up) != 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

// The functions of a frame with their lines, if addr2line is there and knows them.
bool print_lines(const char* file, const char* offset) {
    const std::string command =
        "addr2line -Cfpi -e '" + std::string(file) + "' " + offset + " 2>&1";
    FILE* const lines = ::popen(command.c_str(), "r");
    if (lines == nullptr) return false;
    std::string all;
    std::array<char, 1'000> some{};
    while (std::fgets(some.data(), some.size(), lines) != nullptr) {
        all.append("    ").append(some.data());
    }
    const bool knows = ::pclose(lines) == 0 && all.find("??") == std::string::npos;
    if (knows) std::fputs(all.c_str(), stderr);
    return knows;
}

void print_frame(const void* address) {
    Dl_info info{};
    if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
        std::fprintf(stderr, "    %p\n", address);
        return;
    }
    // The call, and not what comes behind it.
    const auto offset =
        static_cast<const char*>(address) - static_cast<const char*>(info.dli_fbase);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "0x%tx", offset - 1);
    if (print_lines(info.dli_fname, text.data())) return;
    std::fprintf(stderr, "    %s in %s+%s\n", info.dli_sname == nullptr ? "?" : info.dli_sname,
                 info.dli_fname, text.data());
}

std::vector<pid_t> threads_of_this_process() {
    std::vector<pid_t> all;
    DIR* const folder = ::opendir("/proc/self/task");
    while (const dirent* const entry = folder == nullptr ? nullptr : ::readdir(folder)) {
        const auto thread = static_cast<pid_t>(std::atoi(entry->d_name));
        if (thread != 0) all.push_back(thread);
    }
    if (folder != nullptr) ::closedir(folder);
    return all;
}

void print_stacks() {
    ::sem_init(&has_answered, 0, 0);
    std::array<void*, 1> none{};
    ::backtrace(none.data(), 1);  // the first call of all loads a library, which no handler may
    struct sigaction action {};
    action.sa_handler = answer;
    action.sa_flags = SA_RESTART;
    ::sigaction(kSignal, &action, nullptr);

    const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    for (const pid_t thread : threads_of_this_process()) {
        if (thread == self) continue;
        std::fprintf(stderr, "  thread %d:\n", thread);
        if (!ask(thread)) {
            std::fprintf(stderr, "    does not answer\n");
            continue;
        }
        for (int i = 0; i < frame_count; ++i) print_frame(frames[static_cast<std::size_t>(i)]);
    }
}

}  // namespace

TimeLimit::TimeLimit(std::string what, std::chrono::seconds limit)
    : thread_([this, what = std::move(what), limit] {
          std::unique_lock lock(mutex_);
          if (ends_.wait_for(lock, limit, [this] { return has_ended_; })) return;
          std::fflush(stdout);
          std::fprintf(stderr, "%s has not ended within %lld s. Where its threads stand:\n",
                       what.c_str(), static_cast<long long>(limit.count()));
          print_stacks();
          ::_exit(EXIT_FAILURE);
      }) {}

TimeLimit::~TimeLimit() {
    {
        const std::lock_guard lock(mutex_);
        has_ended_ = true;
    }
    ends_.notify_one();
    thread_.join();
}

}  // namespace eventbus
