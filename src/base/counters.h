#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace eventbus {

// A number that one thread changes and any thread reads: no locked instruction on the hot path.
class Counter {
 public:
    void add(std::uint64_t n = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t n = 1) {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<std::uint64_t> value_{0};
};

// How long something took, in powers of two of a microsecond. One thread adds, any thread reads.
class LatencyHistogram {
 public:
    static constexpr std::size_t kBuckets = 24;  // the last: 2^23 µs (8 s) and more

    void add(std::chrono::nanoseconds took) {
        const auto micros =
            took.count() <= 0 ? 0U : static_cast<std::uint64_t>(took.count()) / 1000;
        const auto bucket = static_cast<std::size_t>(std::bit_width(micros));
        buckets_[bucket < kBuckets ? bucket : kBuckets - 1].add();
        sum_ns_.add(took.count() <= 0 ? 0 : static_cast<std::uint64_t>(took.count()));
    }

    // How many took less than 2^i microseconds and not less than the bucket before.
    std::uint64_t bucket(std::size_t i) const { return buckets_[i].get(); }
    std::uint64_t sum_ns() const { return sum_ns_.get(); }

 private:
    std::array<Counter, kBuckets> buckets_;
    Counter sum_ns_;
};

}  // namespace eventbus
