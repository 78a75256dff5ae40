#include "backplane/embedded/log_blocks.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "backplane/embedded/log_keys.h"
#include "base/hash.h"

namespace eventbus {
namespace {

constexpr std::size_t kBitsPerKey = 10;
constexpr int kProbes = 4;  // with these bits a wrong true is one in a hundred

// Calls visit(byte, mask) for each bit of `key`.
template <class Visit>
void for_each_bit(std::uint64_t key, std::size_t bytes, Visit&& visit) {
    const std::uint64_t step = (key >> 32U) | 1U;
    for (int i = 0; i < kProbes; ++i, key += step) {
        const std::size_t bit = static_cast<std::size_t>(key) & (bytes * 8 - 1);
        visit(bit / 8, static_cast<unsigned char>(1U << (bit % 8)));
    }
}

}  // namespace

bool LogBlock::may_hold(std::uint64_t key) const {
    bool holds = true;
    for_each_bit(key, bits.size(), [&](std::size_t byte, unsigned char mask) {
        holds = holds && (static_cast<unsigned char>(bits[byte]) & mask) != 0;
    });
    return holds;
}

bool LogBlock::read(std::string_view key, std::string_view value, LogBlock& block) {
    if (key.size() != 9 || value.size() < 9 || !std::has_single_bit(value.size() - 8)) return false;
    block.last = position_of(key);
    block.first = Position(ByteReader(value).fixed());
    block.bits = value.substr(8);
    return block.first <= block.last;
}

std::uint64_t block_key(std::uint64_t secret, const Room& room) {
    return keyed_hash(secret, room.key());
}

std::uint64_t block_key(std::uint64_t room_key, std::string_view type) {
    return keyed_hash(room_key, type);
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
        keys_.push_back(key);
        keys_.push_back(block_key(key, entry.event.type));
    });
}

std::string OpenBlock::finish() {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    std::string value = fixed(first_.number());
    const std::size_t bytes =
        std::bit_ceil(std::max<std::size_t>(1, keys_.size() * kBitsPerKey / 8));
    value.resize(8 + bytes);
    for (const std::uint64_t key : keys_) {
        for_each_bit(key, bytes, [&](std::size_t byte, unsigned char mask) {
            char& at = value[8 + byte];
            at = static_cast<char>(static_cast<unsigned char>(at) | mask);
        });
    }
    keys_.clear();
    count_ = 0;
    first_ = last_ + 1;
    return value;
}

void OpenBlock::forget() {
    keys_.clear();
    count_ = 0;
    begins_with_next_ = true;
}

}  // namespace eventbus
