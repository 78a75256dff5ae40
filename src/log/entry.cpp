#include "log/entry.h"

namespace eventbus {
namespace {

constexpr std::size_t kAllocation = 16;  // what the allocator adds to a block, about

std::size_t memory_of(const std::string& text) {
    constexpr std::size_t kInPlace = 15;  // bytes that a string holds in itself
    return text.capacity() > kInPlace ? text.capacity() + kAllocation : 0;
}

}  // namespace

std::size_t memory_of(const Entry& entry) {
    const Event& event = entry.event;
    std::size_t bytes = sizeof(Entry) + 2 * kAllocation;  // its reference counts are with it
    for (const std::string* text :
         {&event.id, &event.type, &event.source, &event.subject, &event.time, &event.traceparent,
          &event.data, &entry.name, &entry.publisher}) {
        bytes += memory_of(*text);
    }
    for (const std::string& variant : entry.variants) bytes += sizeof variant + memory_of(variant);
    for (const Delivery& delivery : entry.deliveries) {
        bytes += sizeof delivery + memory_of(delivery.room.key());
    }
    for (const Eviction& eviction : entry.evictions) {
        bytes += sizeof eviction + memory_of(eviction.subject) + memory_of(eviction.who.key());
    }
    return bytes;
}

}  // namespace eventbus
