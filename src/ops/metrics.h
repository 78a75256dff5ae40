#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/counters.h"

namespace eventbus {

// The page at /metrics in Prometheus' text format: what the parts of the process count, each read
// when the page is made.
//
// Thread:  add_…() before the first render(); render() by one thread at a time.
// Bounded: by what was added.
class Metrics {
 public:
    struct Label {
        std::string name;
        std::string value;
    };
    struct Sample {
        std::vector<Label> labels;
        double value = 0;
    };
    using Read = std::function<double()>;
    using ReadMany = std::function<std::vector<Sample>()>;
    using ReadHistogram = std::function<std::vector<const LatencyHistogram*>()>;  // to be summed

    void add_counter(std::string name, std::string help, Read read);
    void add_counter(std::string name, std::string help, ReadMany read);
    void add_gauge(std::string name, std::string help, Read read);
    void add_gauge(std::string name, std::string help, ReadMany read);
    void add_latency(std::string name, std::string help, ReadHistogram read);

    std::string render() const;

 private:
    enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };
    struct Family {
        std::string name;
        std::string help;
        Kind kind;
        ReadMany read;
        ReadHistogram histogram;
    };
    std::vector<Family> families_;
};

}  // namespace eventbus
