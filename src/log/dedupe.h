#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/hash.h"
#include "base/sharded.h"
#include "event/plan.h"
#include "log/offset.h"

namespace eventbus {

// The events of late whose ids came from their publishers, so that a repeat is stored once.
//
// Thread:  the sequencer's turn.
// Bounded: keys of the last `window`, at most `keys_max`; past it the oldest is forgotten, and a
//          repeat of that one is taken as new.
// Cost:    O(1); a key costs its length and about 120 bytes.
class Dedupe {
 public:
    struct Settings {
        std::chrono::milliseconds window = std::chrono::minutes(10);
        std::size_t keys_max = 1'000'000;
    };
    // The first append of a key.
    struct Seen {
        Position position;
        std::uint64_t content_hash = 0;
        bool unowned = false;
    };

    explicit Dedupe(Settings settings) : settings_(settings) {}

    // Publisher, source and id: no attribute holds a NUL.
    static std::string key(const Plan& plan);

    // Null: not seen within the window.
    const Seen* find(std::string_view key) const;

    // `key` was not found; added at `at`, which never goes back.
    void add(std::string key, Seen seen, Clock::Time at);

    void commit() { uncommitted_ = 0; }
    void undo();  // takes back what was added since the last commit()

    // Forgets what is out of the window or beyond the bound; returns how many of the latter.
    std::size_t forget(Clock::Time now);

    std::size_t size() const { return order_.size(); }
    std::chrono::milliseconds window() const { return settings_.window; }

 private:
    struct Record {
        Seen seen;
        Clock::Time at;
    };

    const Settings settings_;
    Sharded<StringMap<Record>> seen_;
    std::deque<const std::string*> order_;  // oldest first, into the keys of seen_
    std::size_t uncommitted_ = 0;           // at the end of order_
};

}  // namespace eventbus
