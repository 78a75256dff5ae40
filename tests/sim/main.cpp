// The whole of the bus but its sockets, from one seed: publishers, reactors, clients and consumer
// groups over stores whose answers come late, and over a disk that is slow, full or broken; a
// server that is killed, and started on an older copy of its data. What comes of it is judged by
// what the clients were told (account.h, worker.h) and by a witness that knows the rules of its
// own (witness.h).
//
//   simulation [--seed N] [--seeds N] [--steps N] [--jobs N] [--embedded-every N] [--trace 1]
//
// Each seed runs in a process of its own, so that it does the same whichever ran before. With
// --embedded-every N every Nth runs over the embedded stores, whose threads no seed decides.

#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/diagnostics.h"
#include "sim/run.h"
#include "sim/server.h"
#include "sim/tally.h"
#include "sim/trace.h"
#include "support/folder.h"

namespace {

constexpr unsigned kSeedSeconds = 120;       // the longest that one may take
constexpr std::uint64_t kRests = 4;          // in a run
constexpr std::uint64_t kEmbeddedCost = 5;   // a step of one, in steps of the others
constexpr std::uint64_t kSeedsOfTally = 40;  // fewer may differ much from the average

struct Settings {
    std::uint64_t seed = 1;
    std::uint64_t seeds = 1;
    std::uint64_t steps = 2'000;
    std::uint64_t jobs = 1;
    std::uint64_t embedded_every = 20;  // that run over the embedded stores; 0: none
    std::uint64_t trace = 0;
};
Settings settings;
std::uint64_t seed = 0;  // of this process
std::string program;

void run_seed() {
    ::alarm(kSeedSeconds);
    eventbus::sim::is_traced = settings.trace != 0;
    const bool is_embedded = settings.embedded_every > 0 && seed % settings.embedded_every == 0;
    eventbus::sim::Run run(seed, is_embedded, {});
    const std::uint64_t steps = is_embedded ? settings.steps / kEmbeddedCost : settings.steps;
    for (std::uint64_t step = 1; step <= steps; ++step) {
        run.step();
        if (step % (steps / kRests) == 0) run.rest();
    }
    if (settings.seeds == 1) std::printf("%s\n", run.summary().c_str());
}

// Runs all seeds; returns the lowest that failed, or 0.
std::uint64_t run_seeds() {
    std::map<pid_t, std::uint64_t> running;
    std::uint64_t failed = 0;
    const std::uint64_t end = settings.seed + settings.seeds;
    for (std::uint64_t next = settings.seed; next < end || !running.empty();) {
        if (next < end && failed == 0 && running.size() < settings.jobs) {
            seed = next++;
            std::fflush(nullptr);
            const pid_t child = ::fork();
            if (child == 0) {
                run_seed();
                std::fflush(nullptr);
                std::_Exit(0);
            }
            running[child] = seed;
            continue;
        }
        if (running.empty()) break;
        int status = 0;
        const pid_t ended = ::wait(&status);
        const std::uint64_t its = running[ended];
        running.erase(ended);
        if (status == 0) continue;
        if (!WIFEXITED(status)) {
            std::fprintf(stderr, "seed %llu: signal %d\n", static_cast<unsigned long long>(its),
                         WTERMSIG(status));
        }
        if (failed == 0 || its < failed) failed = its;
    }
    return failed;
}

bool read(int count, char** arguments) {
    for (int i = 1; i < count; i += 2) {
        const std::string_view name = arguments[i];
        std::uint64_t* const value = name == "--seed"             ? &settings.seed
                                     : name == "--seeds"          ? &settings.seeds
                                     : name == "--steps"          ? &settings.steps
                                     : name == "--jobs"           ? &settings.jobs
                                     : name == "--embedded-every" ? &settings.embedded_every
                                     : name == "--trace"          ? &settings.trace
                                                                  : nullptr;
        if (value == nullptr || i + 1 == count) return false;
        *value = std::strtoull(arguments[i + 1], nullptr, 10);
    }
    return settings.steps >= kRests * kEmbeddedCost && settings.jobs > 0;
}

}  // namespace

namespace eventbus::sim {

void fail(const std::string& what) {
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
    std::_Exit(1);
}

}  // namespace eventbus::sim

int main(int count, char** arguments) {
    program = arguments[0];
    if (!read(count, arguments)) {
        std::fprintf(stderr,
                     "use: simulation [--seed N] [--seeds N] [--steps N] [--jobs N] "
                     "[--embedded-every N] [--trace 1]\n");
        return 2;
    }
    // Some orders go by addresses, so these must not be random.
    const int persona = ::personality(0xffffffff);
    if ((persona & ADDR_NO_RANDOMIZE) == 0 &&
        ::personality(static_cast<unsigned>(persona) | ADDR_NO_RANDOMIZE) >= 0) {
        ::execv("/proc/self/exe", arguments);
    }
    eventbus::diagnostics::set_level(eventbus::diagnostics::Level::kOff);
    eventbus::sim::begin_tally();
    eventbus::sim::catalog(true);   // read once, and not by each process
    const eventbus::Folder folder;  // for the data of those that fail, too
    ::setenv("TMPDIR", folder.path().c_str(), 1);
    if (const std::uint64_t failed = run_seeds(); failed != 0) {
        std::fprintf(stderr, "repeat it with: %s --seed %llu --steps %llu --embedded-every %llu\n",
                     program.c_str(), static_cast<unsigned long long>(failed),
                     static_cast<unsigned long long>(settings.steps),
                     static_cast<unsigned long long>(settings.embedded_every));
        return 1;
    }
    const Settings usual;
    if (settings.steps == usual.steps && settings.embedded_every == usual.embedded_every &&
        settings.seeds >= kSeedsOfTally) {
        if (const std::string rare = eventbus::sim::too_rare(settings.seeds); !rare.empty()) {
            std::fprintf(stderr, "too little happened: %s\n", rare.c_str());
            return 1;
        }
    }
    std::printf("%llu seeds are fine: %s\n", static_cast<unsigned long long>(settings.seeds),
                eventbus::sim::tally().c_str());
    return 0;
}
