#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace eventbus {

// A hash table (as std::unordered_map) in kShards parts by their keys' hashes. A table that
// grows moves all of its elements at once, each a cache miss: 4 ms for 20,000, in the middle of a
// turn. Here it is one part's elements.
//
// Cost: as the table, and the key's hash a second time. 15 kB empty, and 130 bytes more for each
//       part that has something.
template <class Map>
class Sharded {
 public:
    static constexpr std::size_t kShards = 128;

    // `arguments`: of each part's constructor.
    template <class... Arguments>
    explicit Sharded(const Arguments&... arguments) {
        shards_.reserve(kShards);
        for (std::size_t i = 0; i < kShards; ++i) shards_.emplace_back(arguments...);
    }

    std::size_t size() const { return size_.load(std::memory_order_relaxed); }

    // The element, or null; it stays where it is as long as those of such a table do.
    template <class Key>
    auto find(const Key& key) {
        return found_in(shards_[part_of(key)], key);
    }
    template <class Key>
    auto find(const Key& key) const {
        return found_in(shards_[part_of(key)], key);
    }

    // The element with `key`, added if there was none with it, made of the rest; and whether it
    // was.
    template <class Key, class... Rest>
    auto emplace(Key&& key, Rest&&... rest) {
        Map& there = shards_[part_of(key)];
        const auto [place, is_new] =
            there.emplace(std::forward<Key>(key), std::forward<Rest>(rest)...);
        add_to_size(is_new ? 1 : 0);
        return std::pair(&*place, is_new);
    }

    // Of a map: the value of `key`, made if there was none.
    template <class Key>
    auto& operator[](Key&& key) {
        Map& there = shards_[part_of(key)];
        const std::size_t before = there.size();
        auto& value = there[std::forward<Key>(key)];
        add_to_size(there.size() - before);
        return value;
    }

    // False: there is none. `key` may lie in the element.
    template <class Key>
    bool erase(const Key& key) {
        Map& there = shards_[part_of(key)];
        const auto found = there.find(key);
        if (found == there.end()) return false;
        there.erase(found);
        add_to_size(std::size_t{0} - 1);
        return true;
    }

    // Changes one part by change(Map&). Any thread, while nobody does anything else with the
    // table: a part is changed by one thread at a time, and others wait for it.
    template <class Change>
    void change_part(std::size_t index, Change&& change) {
        while (is_changed_[index].test_and_set(std::memory_order_acquire)) {
            is_changed_[index].wait(true);
        }
        Map& there = shards_[index];
        const std::size_t before = there.size();
        change(there);
        size_.fetch_add(there.size() - before, std::memory_order_relaxed);
        is_changed_[index].clear(std::memory_order_release);
        is_changed_[index].notify_one();
    }

    // The part that has, or would have, the element with `key`. By the hash's high bits, mixed,
    // since a table's own places go by the low ones.
    template <class Key>
    std::size_t part_of(const Key& key) const {
        const std::uint64_t hash = shards_.front().hash_function()(key);
        return (hash * 0x9e3779b97f4a7c15U) >> 57U;
    }
    static_assert(kShards == std::size_t{1} << (64U - 57U));

    // All elements of one part, for who looks at all of them part by part.
    const Map& part(std::size_t index) const { return shards_[index]; }

 private:
    void add_to_size(std::size_t n) { size_.store(size() + n, std::memory_order_relaxed); }

    template <class Table, class Key>
    static auto found_in(Table& table, const Key& key) {
        const auto found = table.find(key);
        return found == table.end() ? nullptr : &*found;
    }

    std::vector<Map> shards_;
    std::atomic<std::size_t> size_ = 0;
    std::array<std::atomic_flag, kShards> is_changed_;  // by change_part()
};

}  // namespace eventbus
