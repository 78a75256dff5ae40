#include "delivery/frame_cache.h"

#include <utility>

namespace eventbus {

SharedFrame FrameCache::get(const Entry& entry, std::uint16_t variant, Encoder& encoder,
                            Encoder::As as) {
    const Key key{entry.position, &encoder, variant, as};
    Slot& slot = slots_[(entry.position.number() * 2 + variant) % kSlots];
    if (slot.frame && slot.key == key) return slot.frame;

    SharedFrame frame = encoder.encode(entry, variant, as);
    ++made_;
    const std::size_t bytes = frame->bytes.size();
    if (bytes > bytes_max_ / 4) return frame;  // it would push out all others
    if (slot.frame) bytes_ -= slot.frame->bytes.size();
    slot.frame.reset();
    make_room_for(bytes);
    slot = {key, frame};
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
