// A library to be loaded before all others (LD_PRELOAD), which makes threads late at the places
// where they hand something over: locks, epoll, eventfd. Most delays let another thread run; some
// are long enough for several of its steps. EVENTBUS_DELAYS_SEED makes a run's choices repeatable
// for each thread, if not the order of the threads.

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int kDescriptorsMax = 1 << 16;
std::array<std::atomic<bool>, kDescriptorsMax> is_eventfd;
std::atomic<std::uint64_t> threads{0};

std::uint64_t next_random() {
    static const std::uint64_t seed = [] {
        const char* const text = std::getenv("EVENTBUS_DELAYS_SEED");
        return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
    }();
    thread_local std::uint64_t state =
        (seed + 1) * 0x9E3779B97F4A7C15U + ++threads * 0xD1342543DE82EF95U;
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    return state;
}

void be_late() {
    const std::uint64_t chance = next_random() % 256;
    if (chance >= 24) return;
    if (chance >= 4) {
        ::sched_yield();
        return;
    }
    const long most_ns = chance == 0 ? 3'000'000 : 100'000;
    const timespec time{0, static_cast<long>(next_random() % static_cast<std::uint64_t>(most_ns))};
    ::nanosleep(&time, nullptr);
}

bool rings(int descriptor) {
    return descriptor >= 0 && descriptor < kDescriptorsMax &&
           is_eventfd[static_cast<std::size_t>(descriptor)].load(std::memory_order_relaxed);
}

template <class Function>
Function real(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// Looked up before there are threads: to look up takes locks.
const auto real_lock = real<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
const auto real_epoll_wait = real<int (*)(int, epoll_event*, int, int)>("epoll_wait");
const auto real_eventfd = real<int (*)(unsigned, int)>("eventfd");
const auto real_write = real<ssize_t (*)(int, const void*, std::size_t)>("write");
const auto real_read = real<ssize_t (*)(int, void*, std::size_t)>("read");
const auto real_close = real<int (*)(int)>("close");

// The last of them is there. Constructors of other libraries may run before.
bool is_ready() { return real_close != nullptr; }

}  // namespace

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) {
    if (!is_ready()) return ::pthread_mutex_trylock(mutex);  // there is one thread yet
    be_late();
    const int result = real_lock(mutex);
    be_late();
    return result;
}

int epoll_wait(int epoll, epoll_event* events, int events_max, int timeout) {
    be_late();
    const int count = real_epoll_wait(epoll, events, events_max, timeout);
    be_late();
    return count;
}

int eventfd(unsigned count, int flags) {
    const int descriptor = real_eventfd(count, flags);
    if (descriptor >= 0 && descriptor < kDescriptorsMax) {
        is_eventfd[static_cast<std::size_t>(descriptor)] = true;
    }
    return descriptor;
}

int close(int descriptor) {
    if (!is_ready()) return static_cast<int>(::syscall(SYS_close, descriptor));
    if (rings(descriptor)) is_eventfd[static_cast<std::size_t>(descriptor)] = false;
    return real_close(descriptor);
}

ssize_t write(int descriptor, const void* bytes, std::size_t count) {
    if (!is_ready()) return ::syscall(SYS_write, descriptor, bytes, count);
    if (rings(descriptor)) be_late();
    return real_write(descriptor, bytes, count);
}

ssize_t read(int descriptor, void* bytes, std::size_t count) {
    if (!is_ready()) return ::syscall(SYS_read, descriptor, bytes, count);
    if (rings(descriptor)) be_late();
    return real_read(descriptor, bytes, count);
}
}
