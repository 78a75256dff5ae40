#pragma once

#include <algorithm>
#include <vector>

#include "fanbench/basics.h"

// Log-linear: 64 steps for each power of two, so a figure is within 1.6 %.
struct Hist {
    static constexpr int SUB = 64;
    std::vector<u64> c = std::vector<u64>(60 * SUB, 0);
    u64 n = 0, mx = 0;
    long double sum = 0;
    static int idx(u64 v) {
        if (v < SUB) return int(v);
        int e = 63 - __builtin_clzll(v);  // >= 6
        return (e - 5) * SUB + int((v >> (e - 6)) & (SUB - 1));
    }
    static u64 val(int i) {
        if (i < SUB) return i;
        int e = i / SUB + 5, s = i % SUB;
        return ((u64(SUB) + s) << (e - 6)) + ((1ull << (e - 6)) / 2);
    }
    void add(u64 v) {
        c[std::min<int>(idx(v), int(c.size()) - 1)]++;
        n++;
        sum += v;
        if (v > mx) mx = v;
    }
    double us(double q) const {
        if (!n) return 0;
        u64 want = u64(q * double(n));
        if (want >= n) want = n - 1;
        u64 acc = 0;
        for (size_t i = 0; i < c.size(); i++) {
            acc += c[i];
            if (acc > want) return std::min(val(int(i)), mx) / 1000.0;
        }
        return mx / 1000.0;
    }
    double mean_us() const { return n ? double(sum / n) / 1000.0 : 0; }
    string json() const {
        char b[256];
        snprintf(b, sizeof b,
                 "{\"n\":%llu,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
                 "\"p999_us\":%.1f,\"max_us\":%.1f}",
                 (unsigned long long)n, mean_us(), us(.5), us(.9), us(.99), us(.999), mx / 1000.0);
        return b;
    }
};
