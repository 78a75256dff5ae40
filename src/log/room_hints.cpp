#include "log/room_hints.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::uint32_t kEmpty = 0;
constexpr std::uint32_t kDead = 1;  // its room was dropped
constexpr std::size_t kCellsMin = 64;

// What a cell holds of a room. Its upper bits are also where the search begins, so that a table
// can be made anew from its cells alone.
std::uint32_t mark_of(std::size_t room_hash) {
    const auto mark = static_cast<std::uint32_t>(room_hash >> 32U);
    return mark > kDead ? mark : mark + 2;
}

}  // namespace

RoomHints::Table::Table(std::size_t cells)
    : cells_(cells), shift_(32U - static_cast<unsigned>(std::countr_zero(cells))) {}

std::uint32_t RoomHints::Table::at(std::size_t place) const {
    return cells_[place].load(std::memory_order_seq_cst);
}

void RoomHints::Table::set(std::size_t place, std::uint32_t mark) {
    cells_[place].store(mark, std::memory_order_seq_cst);
}

template <class IsIt>
std::size_t RoomHints::Table::find(std::uint32_t mark, IsIt&& is_it) const {
    std::size_t place = mark >> shift_;
    while (!is_it(at(place))) place = (place + 1) & (cells_.size() - 1);
    return place;
}

RoomHints::RoomHints() : own_(std::make_unique<Table>(kCellsMin)), table_(own_.get()) {}

std::unique_ptr<const RoomHints::Table> RoomHints::add(std::size_t room_hash) {
    const auto is_free = [](std::uint32_t cell) { return cell <= kDead; };
    std::unique_ptr<const Table> replaced;
    if ((used_ + 1) * 2 > own_->size()) {
        auto next = std::make_unique<Table>(std::max(kCellsMin, std::bit_ceil((live_ + 1) * 4)));
        for (std::size_t place = 0; place < own_->size(); ++place) {
            const std::uint32_t mark = own_->at(place);
            if (mark > kDead) next->set(next->find(mark, is_free), mark);
        }
        used_ = live_;
        replaced = std::exchange(own_, std::move(next));
        table_.store(own_.get(), std::memory_order_seq_cst);
    }
    const std::uint32_t mark = mark_of(room_hash);
    const std::size_t place = own_->find(mark, is_free);
    if (own_->at(place) == kEmpty) ++used_;
    own_->set(place, mark);
    ++live_;
    return replaced;
}

void RoomHints::drop(std::size_t room_hash) {
    const std::uint32_t mark = mark_of(room_hash);
    const std::size_t place =
        own_->find(mark, [mark](std::uint32_t cell) { return cell == mark || cell == kEmpty; });
    BUS_ASSERT(own_->at(place) == mark);
    own_->set(place, kDead);
    --live_;
}

bool RoomHints::may_hold(std::size_t room_hash) const {
    const std::uint32_t mark = mark_of(room_hash);
    const Table& table = *table_.load(std::memory_order_seq_cst);
    // What is found is looked at once: the reactor may change the cell meanwhile.
    bool found = false;
    table.find(mark, [&](std::uint32_t cell) {
        found = cell == mark;
        return found || cell == kEmpty;
    });
    return found;
}

}  // namespace eventbus
