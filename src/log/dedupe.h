#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/remembered.h"
#include "event/plan.h"
#include "log/offset.h"

namespace eventbus {

// The events of late whose ids came from their publishers, so that a repeat is stored once.
//
// Thread:  the sequencer's turn.
// Bounded: keys of the last `window`, at most `keys_max`; past it the oldest of the publisher that
//          has most is forgotten, and a repeat of that one is taken as new. So a publisher that
//          keeps to its part, keys_max divided by how many publish, is promised the window whatever
//          the others do.
// Cost:    O(1); a key costs its length and about 180 bytes, a publisher that has one 150.
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
        bool is_stored = true;  // the log has a record of the key, too
    };

    explicit Dedupe(Settings settings)
        : seen_({.window = settings.window, .keys_max = settings.keys_max}) {}

    // Publisher, source and id: no attribute holds a NUL.
    static std::string key(const Plan& plan);

    // Null: not seen within the window.
    const Seen* find(std::string_view key) const { return seen_.find(key); }

    // `key` was not found; added at `at`, which never goes back.
    void add(std::string key, Seen seen, Clock::Time at);

    void commit() { uncommitted_ = 0; }
    void undo();  // takes back what was added since the last commit()

    // Forgets what is out of the window or beyond the bound; returns those of the latter.
    std::vector<Seen> forget(Clock::Time now);

    std::size_t size() const { return seen_.size(); }
    std::chrono::milliseconds window() const { return seen_.settings().window; }

 private:
    Remembered<Seen> seen_;        // on behalf of their publishers
    std::size_t uncommitted_ = 0;  // the newest
};

}  // namespace eventbus
