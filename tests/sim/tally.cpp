#include "sim/tally.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <new>

#include "base/assert.h"

namespace eventbus::sim {
namespace {

struct Kind {
    const char* name;
    double least;  // in a seed of the usual length, on average: about half of what it is
};
constexpr std::array<Kind, kHappenings> kKinds{{{"acknowledged publishes", 170},
                                                {"events in order", 410},
                                                {"events of histories", 70},
                                                {"subscribes", 21},
                                                {"unsubscribes", 7},
                                                {"resumes", 75},
                                                {"refreshes", 3},
                                                {"places that were told", 60},
                                                {"forgotten sessions and places", 3},
                                                {"rights that ended", 12},
                                                {"gaps", 5},
                                                {"receipts", 14},
                                                {"acks", 125}}};

using Counts = std::array<std::atomic<std::uint64_t>, kHappenings>;
Counts* counts = nullptr;  // shared by the processes

}  // namespace

void begin_tally() {
    void* const memory =
        ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    BUS_ASSERT(memory != MAP_FAILED);
    counts = new (memory) Counts{};
}

void count(Happened what) { (*counts)[static_cast<std::size_t>(what)].fetch_add(1); }

std::string tally() {
    std::string all;
    for (std::size_t i = 0; i < kHappenings; ++i) {
        all += (all.empty() ? "" : ", ") + std::to_string((*counts)[i]) + ' ' + kKinds[i].name;
    }
    return all;
}

std::string too_rare(std::uint64_t seeds) {
    std::string all;
    for (std::size_t i = 0; i < kHappenings; ++i) {
        const std::uint64_t number = (*counts)[i];
        const auto least = static_cast<std::uint64_t>(kKinds[i].least * static_cast<double>(seeds));
        if (number >= least) continue;
        all += (all.empty() ? "" : ", ") + std::to_string(number) + ' ' + kKinds[i].name + " (" +
               std::to_string(least) + " expected)";
    }
    return all;
}

}  // namespace eventbus::sim
