#include <string>
#include <vector>

#include "fuzz_input.h"
#include "net/proxy_header.h"

namespace eventbus {
namespace {

using State = ProxyHeaderReader::State;

// What is known of the client, or why not, and how many bytes that took.
std::string read(const std::vector<std::string_view>& pieces) {
    ProxyHeaderReader reader;
    std::size_t taken = 0;
    for (const std::string_view piece : pieces) {
        const std::string copy(
            piece);  // of its own size, so that the sanitizer sees a byte too far
        const auto step = reader.feed(copy);
        if (step.state == State::kFailed) return reader.why();
        taken += step.consumed;
        BUS_ASSERT(taken <= ProxyHeaderReader::kBytesMax);
        if (step.state == State::kNeedMore) {
            BUS_ASSERT(step.consumed == copy.size());
            continue;
        }
        const auto& client = reader.client();
        return (client ? client->text() : "itself") + " after " + std::to_string(taken);
    }
    return "more";
}

}  // namespace
}  // namespace eventbus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    FuzzInput input(data, size);
    const unsigned seed = input.number();
    const std::string whole = read({input.rest()});
    BUS_ASSERT(whole == read(cut(input.rest(), seed)));

    const std::string text(input.rest());
    const auto address = IpAddress::parse(text);
    if (address && address->is_known()) BUS_ASSERT(IpAddress::parse(address->text()) == address);
    IpRange::parse(text);
    const TrustedProxies all({*IpRange::parse("::/0")});
    all.client_of(*IpAddress::parse("::1"), text);
    return 0;
}
