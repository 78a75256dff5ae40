#include "delivery/frame_cache.h"

#include <functional>
#include <string_view>
#include <utility>

namespace eventbus {

SharedFrame FrameCache::get(const Entry& entry, std::uint16_t variant, Encoder& encoder,
                            const Encoder::As& as) {
    const Key key{entry.position, &encoder, variant, as.is_history()};
    std::size_t number = entry.position.number() * 2 + variant;
    // Clients in histories of different topics may come by turns.
    if (!as.topic().empty()) number += std::hash<std::string_view>{}(as.topic());
    Slot& slot = slots_[number % kSlots];
    if (slot.frame && slot.key == key && slot.topic == as.topic()) return slot.frame;

    SharedFrame frame = encoder.encode(entry, variant, as);
    ++made_;
    const std::size_t bytes = frame->bytes.size();
    if (bytes > bytes_max_ / 4) return frame;  // it would push out all others
    if (slot.frame) bytes_ -= slot.frame->bytes.size();
    slot.frame.reset();
    make_room_for(bytes);
    slot.key = key;
    slot.topic = as.topic();
    slot.frame = frame;
    bytes_ += bytes;
    return frame;
}

void FrameCache::make_room_for(std::size_t bytes) {
    while (bytes_ + bytes > bytes_max_) {
        SharedFrame& oldest = slots_[hand_++ % kSlots].frame;
        if (oldest) bytes_ -= oldest->bytes.size();
        oldest.reset();
    }
}

}  // namespace eventbus
