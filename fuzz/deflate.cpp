#include "wire/deflate.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    static Inflater inflater;
    static Deflater deflater;
    const std::string_view bytes = FuzzInput(data, size).rest();
    constexpr std::size_t kBytesMax = 10'000;

    if (const auto inflated = inflater.inflate(bytes, kBytesMax))
        BUS_ASSERT(inflated->size() <= kBytesMax);

    const auto again = inflater.inflate(deflater.deflate(bytes), bytes.size());
    BUS_ASSERT(again && *again == bytes);
    return 0;
}
