#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "delivery/receiver.h"

namespace eventbus {

// Frames of late, so that a thousand sockets that come back share what they missed instead of
// having it made a thousand times.
//
// Thread:  reactor.
// Bounded: kSlots frames with a topic each, and bytes_max bytes of frames; beyond it the oldest
// slots
//          are emptied.
class FrameCache {
 public:
    static constexpr std::size_t kSlots = 4096;

    explicit FrameCache(std::size_t bytes_max) : slots_(kSlots), bytes_max_(bytes_max) {}

    // The frame of `entry`, made by `encoder` if it is not here.
    SharedFrame get(const Entry& entry, std::uint16_t variant, Encoder& encoder,
                    const Encoder::As& as);

    std::uint64_t made() const { return made_; }

 private:
    struct Key {
        Position position;
        const Encoder* encoder = nullptr;
        std::uint16_t variant = 0;
        bool is_history = false;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Slot {
        Key key;
        std::string topic;  // of the history, if its events name it; it is in the frame, too
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
