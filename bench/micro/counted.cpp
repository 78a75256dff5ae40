// Runs each stage some times between two of callgrind's marks; bench/instructions reads what it
// counted. Prints a line a stage: operations, name.
#include <valgrind/callgrind.h>

#include <cstdio>

#include "micro/stages.h"

int main() {
    constexpr unsigned kRuns = 200;
    for (const eventbus::bench::Stage& stage : eventbus::bench::make_stages()) {
        CALLGRIND_ZERO_STATS;
        for (unsigned i = 0; i < kRuns; ++i) stage.run();
        CALLGRIND_DUMP_STATS_AT(stage.name.c_str());
        std::printf("%u %s\n", kRuns * stage.per_run, stage.name.c_str());
    }
}
