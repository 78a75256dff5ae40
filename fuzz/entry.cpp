#include "fuzz_input.h"
#include "log/entry_codec.h"

// Bytes that are an entry are written again as they were: there is one form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    const std::string_view bytes = FuzzInput(data, size).rest();

    constexpr Position kAt{7};
    const Result<Entry> entry = decode_entry(kAt, bytes);
    if (!entry) return 0;
    BUS_ASSERT(entry->position == kAt);
    for (const Delivery& delivery : entry->deliveries) {
        BUS_ASSERT(!delivery.room.key().empty());
        BUS_ASSERT(entry->payload(delivery.variant).size() <= size);
    }
    BUS_ASSERT(encode_entry(*entry) == bytes);
    return 0;
}
