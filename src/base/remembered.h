#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/linked_list.h"
#include "base/sharded.h"
#include "base/shares.h"

namespace eventbus {

// Keys that are remembered for a while, each on behalf of somebody.
//
// Thread:  one.
// Bounded: keys of the last `window`, at most `keys_max`; past it the oldest of whoever has most is
//          forgotten. Nobody who keeps to their part, keys_max divided by how many there are, loses
//          a key before its time.
// Cost:    O(1); a key costs its length, its value and about 150 bytes, an owner of keys 150.
template <class Value>
class Remembered {
 public:
    struct Settings {
        std::chrono::milliseconds window{};
        std::size_t keys_max = 0;
    };

    explicit Remembered(Settings settings) : settings_(settings) {}

    // Null: not within the window.
    const Value* find(std::string_view key) const {
        const auto* const found = records_.find(key);
        return found == nullptr ? nullptr : &found->second.value;
    }

    // `key` was not found; added at `at`, which never goes back.
    void add(std::string key, std::string_view whose, Value value, Clock::Time at) {
        const auto [added, is_new] = records_.emplace(std::move(key), Record());
        BUS_ASSERT(is_new);
        Record& record = added->second;
        record.value = std::move(value);
        record.at = at;
        record.key = &added->first;
        shares_.add(record, whose);
        by_age_.push_back(record);
    }

    // Takes the last one back.
    void undo_add() { erase(*by_age_.last()); }

    // Forgets what is out of the window or beyond the bound; returns the values of the latter.
    std::vector<Value> forget(Clock::Time now) {
        while (!by_age_.is_empty() && now - by_age_.first()->at >= settings_.window) {
            erase(*by_age_.first());
        }
        std::vector<Value> dropped;
        while (size() > settings_.keys_max) {
            dropped.push_back(erase(static_cast<Record&>(*shares_.next_to_go())));
        }
        return dropped;
    }

    std::size_t size() const { return records_.size(); }
    const Settings& settings() const { return settings_; }

 private:
    using Owners = Shares<std::string, StringHash>;
    struct Record : Owners::Share {
        Value value{};
        Clock::Time at;
        const std::string* key = nullptr;  // its own
        Record* older = nullptr;
        Record* newer = nullptr;
    };

    Value erase(Record& record) {
        Value value = std::move(record.value);
        shares_.remove(record);
        by_age_.remove(record);
        records_.erase(*record.key);
        return value;
    }

    const Settings settings_;
    Sharded<StringMap<Record>> records_;
    Owners shares_;  // of them all
    LinkedList<Record, &Record::older, &Record::newer> by_age_;
};

}  // namespace eventbus
