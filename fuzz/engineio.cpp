#include "wire/engineio.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    using namespace eventbus::engineio;
    const std::string_view body = FuzzInput(data, size).rest();

    // A payload without an error is written again as it was.
    std::string again;
    bool is_fine = true;
    std::size_t packets = 0;
    for (PayloadReader reader(body); !reader.is_done(); ++packets) {
        const Result<Packet> packet = reader.next();
        is_fine = is_fine && packet.has_value();
        if (packet) append_to_payload(again, encode_packet(*packet));
    }
    BUS_ASSERT(packets >= 1);
    if (is_fine && body.find('b') == std::string_view::npos) BUS_ASSERT(again == body);

    const Query query = parse_query(body);
    for (const bool is_upgrade : {false, true}) {
        const auto judged = judge({"GET", query, is_upgrade, Transport::kPolling});
        if (const auto* refusal = std::get_if<Refusal>(&judged))
            BUS_ASSERT(!refusal_body(*refusal).empty());
    }
    return 0;
}
