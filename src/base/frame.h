#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace eventbus {

// Type and subject of a `latest: true` event, hashed; 0 is none.
enum class LatestKey : std::uint64_t { kNone };

// Bytes ready for the wire, made once and shared by every socket that gets them.
struct Frame {
    std::string bytes;  // a whole WebSocket frame (or what the transport writes), never empty
    std::size_t payload_at = 0;  // polling sends what begins here
    LatestKey latest_key = LatestKey::kNone;
    // The same compressed, once somebody needed it; of the reactor that the frame belongs to.
    mutable std::shared_ptr<const Frame> deflated = nullptr;
};
using SharedFrame = std::shared_ptr<const Frame>;

}  // namespace eventbus
