#pragma once

#include <functional>
#include <string>
#include <vector>

namespace eventbus::bench {

// One step on the way of an event, alone: no sockets, no disk, no threads.
struct Stage {
    std::string name;
    std::function<void()> run;  // once
    unsigned per_run = 1;       // operations in one run; figures are per operation
};

// All stages, in the order in which an event meets them, each warmed up with the same event: 110
// bytes of data, a subject, one audience line. They own what they need.
std::vector<Stage> make_stages();

}  // namespace eventbus::bench
