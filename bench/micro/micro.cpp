// Time of each stage, by Google Benchmark.
#include <benchmark/benchmark.h>

#include "micro/stages.h"

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    for (const eventbus::bench::Stage& stage : eventbus::bench::make_stages()) {
        benchmark::RegisterBenchmark(stage.name.c_str(), [stage](benchmark::State& state) {
            for (auto _ : state) stage.run();
            using benchmark::Counter;
            state.counters["per_op"] =
                Counter(stage.per_run, Counter::kIsIterationInvariantRate | Counter::kInvert);
        });
    }
    benchmark::RunSpecifiedBenchmarks();
}
