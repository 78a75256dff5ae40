#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "delivery/receiver.h"
#include "log/log.h"

namespace eventbus {

// What a delivery of a consumer group ends in, instead of a place.
struct GroupTag {
    std::string_view delivery;
    std::string_view group;
    std::string_view topic;
    std::uint32_t attempt = 1;
};

// Makes Socket.IO frames of one namespace: [name, data, meta, place], or of a history
// [name, data, meta, {offset, topic?}]. The same for every socket in it, so that they share it.
// Reactor.
class SocketEncoder final : public Encoder {
 public:
    SocketEncoder(const Log& log, std::string nsp) : log_(log), nsp_(std::move(nsp)) {}

    SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) override;

    // [name, data, meta, {offset, delivery, group, topic, attempt}]
    SharedFrame encode_group(const Entry& entry, const GroupTag& tag) const;

 private:
    const Log& log_;
    const std::string nsp_;
};

}  // namespace eventbus
