#include "backplane/embedded/log_blocks.h"

#include <algorithm>
#include <utility>

#include "backplane/embedded/log_keys.h"
#include "base/hash.h"

namespace eventbus {
namespace {

constexpr std::size_t kPrintBytes = 4;

std::uint32_t print_of(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32U); }

std::uint32_t print_of(std::uint64_t room, std::string_view type) {
    return print_of(keyed_hash(room, type));
}

std::uint32_t print_at(std::string_view prints, std::size_t index) {
    std::uint32_t print = 0;
    for (std::size_t i = 0; i < kPrintBytes; ++i) {
        print = (print << 8U) | static_cast<unsigned char>(prints[index * kPrintBytes + i]);
    }
    return print;
}

// The index of the first that is not below `print`.
std::size_t lower_bound(std::string_view prints, std::size_t from, std::uint32_t print) {
    std::size_t end = prints.size() / kPrintBytes;
    while (from < end) {
        const std::size_t middle = from + (end - from) / 2;
        if (print_at(prints, middle) < print) {
            from = middle + 1;
        } else {
            end = middle;
        }
    }
    return from;
}

bool holds(std::string_view prints, std::uint32_t print) {
    const std::size_t at = lower_bound(prints, 0, print);
    return at < prints.size() / kPrintBytes && print_at(prints, at) == print;
}

void put_prints(std::string& value, std::vector<std::uint32_t>& prints) {
    for (const std::uint32_t print : prints) {
        for (unsigned shift = 32; shift > 0;) value += static_cast<char>(print >> (shift -= 8));
    }
    prints.clear();
}

void sort_out(std::vector<std::uint32_t>& prints) {
    std::sort(prints.begin(), prints.end());
    prints.erase(std::unique(prints.begin(), prints.end()), prints.end());
}

}  // namespace

bool LogBlock::may_hold_any(std::span<const std::uint64_t> sought) const {
    const std::size_t count = rooms.size() / kPrintBytes;
    if (sought.size() < count) {
        std::size_t at = 0;
        for (const std::uint64_t key : sought) {
            at = lower_bound(rooms, at, print_of(key));
            if (at < count && print_at(rooms, at) == print_of(key)) return true;
        }
        return false;
    }
    auto at = sought.begin();
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t print = print_at(rooms, i);
        at = std::lower_bound(at, sought.end(), std::uint64_t{print} << 32U);
        if (at != sought.end() && print_of(*at) == print) return true;
    }
    return false;
}

bool LogBlock::may_hold(std::uint64_t room, std::string_view type) const {
    return holds(rooms_of_types, print_of(room, type));
}

bool LogBlock::read(std::string_view key, std::string_view value, LogBlock& block) {
    if (key.size() != 9) return false;
    ByteReader reader(value);
    block.first = Position(reader.fixed());
    const std::uint64_t rooms = reader.number();
    const std::string_view prints = reader.rest();
    if (!reader.is_fine() || prints.size() % kPrintBytes != 0) return false;
    if (rooms > prints.size() / kPrintBytes) return false;
    block.last = position_of(key);
    block.rooms = prints.substr(0, rooms * kPrintBytes);
    block.rooms_of_types = prints.substr(rooms * kPrintBytes);
    return block.first <= block.last;
}

std::uint64_t block_key(std::uint64_t secret, const Room& room) {
    return keyed_hash(secret, room.key());
}

void OpenBlock::begin(std::uint64_t secret, Position last) {
    secret_ = secret;
    last_ = last;
    first_ = last + 1;
}

void OpenBlock::add(const Entry& entry) {
    if (std::exchange(begins_with_next_, false)) first_ = entry.position;
    last_ = entry.position;
    ++count_;
    for_each_room(entry, [&](const Room& room) {
        const std::uint64_t key = block_key(secret_, room);
        rooms_.push_back(print_of(key));
        rooms_of_types_.push_back(print_of(key, entry.event.type));
    });
}

std::string OpenBlock::finish() {
    sort_out(rooms_);
    sort_out(rooms_of_types_);
    std::string value = fixed(first_.number());
    put_number(value, rooms_.size());
    put_prints(value, rooms_);
    put_prints(value, rooms_of_types_);
    count_ = 0;
    first_ = last_ + 1;
    return value;
}

void OpenBlock::forget() {
    rooms_.clear();
    rooms_of_types_.clear();
    count_ = 0;
    begins_with_next_ = true;
}

}  // namespace eventbus
