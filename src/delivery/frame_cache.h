#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "delivery/receiver.h"

namespace eventbus {

// Frames of late, so that a thousand sockets that come back share what they missed instead of
// having it made a thousand times.
//
// Thread:  reactor.
// Bounded: kSlots frames and bytes_max bytes; beyond it the oldest slots are emptied.
class FrameCache {
 public:
    static constexpr std::size_t kSlots = 4096;

    explicit FrameCache(std::size_t bytes_max) : slots_(kSlots), bytes_max_(bytes_max) {}

    struct Key {
        Position position;
        const Encoder* encoder = nullptr;
        std::uint16_t variant = 0;
        Encoder::As as = Encoder::As::kInOrder;
        friend bool operator==(const Key&, const Key&) = default;
    };

    // The frame of `entry`, made by `encoder` if it is not here.
    SharedFrame get(const Entry& entry, std::uint16_t variant, Encoder& encoder, Encoder::As as);

    std::uint64_t made() const { return made_; }

 private:
    struct Slot {
        Key key;
        SharedFrame frame;
    };
    void make_room_for(std::size_t bytes);

    std::vector<Slot> slots_;
    const std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::size_t hand_ = 0;  // the next slot to empty
    std::uint64_t made_ = 0;
};

}  // namespace eventbus
