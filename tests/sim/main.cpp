// The whole of the bus but its sockets, in one thread and from one seed: publishers, reactors and
// devices over a disk that holds back, fails and loses what was not synced, and a server that is
// killed. Then the promise is judged by a witness that knows the rules on its own:
//
//   what was acknowledged is there; nobody saw what they may not; everybody saw each retained
//   durable entry of their rooms, in order and once; no position was used twice.
//
//   simulation [--seed N] [--seeds N] [--steps N]

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/diagnostics.h"
#include "sim/run.h"

namespace {

std::uint64_t seed = 1;
std::uint64_t steps = 3'000;
std::string program;

}  // namespace

namespace eventbus::sim {

void fail(const std::string& what) {
    std::fprintf(stderr, "seed %llu: %s\nrepeat it with: %s --seed %llu --steps %llu\n",
                 static_cast<unsigned long long>(seed), what.c_str(), program.c_str(),
                 static_cast<unsigned long long>(seed), static_cast<unsigned long long>(steps));
    std::exit(1);
}

}  // namespace eventbus::sim

int main(int count, char** arguments) {
    program = arguments[0];
    std::uint64_t seeds = 1;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = arguments[i];
        std::uint64_t* const value = name == "--seed"    ? &seed
                                     : name == "--seeds" ? &seeds
                                     : name == "--steps" ? &steps
                                                         : nullptr;
        if (value == nullptr || i + 1 == count) {
            std::fprintf(stderr, "use: simulation [--seed N] [--seeds N] [--steps N]\n");
            return 2;
        }
        *value = std::strtoull(arguments[++i], nullptr, 10);
    }
    eventbus::diagnostics::set_level(eventbus::diagnostics::Level::kOff);
    std::string last;
    for (const std::uint64_t end = seed + seeds; seed < end; ++seed) {
        eventbus::sim::Run run(seed, {});
        for (std::uint64_t step = 1; step <= steps; ++step) {
            run.step();
            if (step % 500 == 0) run.check(false);
        }
        run.come_to_rest();
        run.check(true);
        last = run.summary();
    }
    std::printf("%llu seeds are fine; the last: %s\n", static_cast<unsigned long long>(seeds),
                last.c_str());
    return 0;
}
