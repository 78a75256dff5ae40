#include "wire/socketio.h"

#include "base/json_check.h"
#include "fuzz_input.h"
#include "wire/json_scan.h"

namespace eventbus::socketio {
namespace {

std::string write(const Packet& packet) {
    std::string out;
    switch (packet.type) {
        case PacketType::kConnect:
            append_connect_request(out, packet.nsp, packet.json);
            break;
        case PacketType::kDisconnect:
            append_disconnect(out, packet.nsp);
            break;
        case PacketType::kEvent:
        case PacketType::kBinaryEvent:
            append_event(out, {packet.nsp, packet.ack_id, packet.attachment_count}, packet.json);
            break;
        case PacketType::kAck:
        case PacketType::kBinaryAck:
            append_ack(out, packet.nsp, *packet.ack_id, packet.json, packet.attachment_count);
            break;
        case PacketType::kConnectError:
            break;
    }
    return out;
}

// The array of the slices, as it is put together for those who get them.
std::string join(std::string_view name, std::span<const std::string_view> arguments) {
    std::string json = "[";
    json += name;
    for (const std::string_view argument : arguments) {
        if (json.size() > 1) json += ',';
        json += argument;
    }
    return json + "]";
}

}  // namespace
}  // namespace eventbus::socketio

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    using namespace eventbus::socketio;
    const std::string text(FuzzInput(data, size).rest());
    Parser parser;
    const Result<Packet> packet = parser.parse(text);
    if (!packet) return 0;

    // What was read is written so that it is read again as the same.
    Parser other;
    if (const std::string written = write(*packet); !written.empty()) {
        const Result<Packet> again = other.parse(std::string_view(written));
        BUS_ASSERT(again && again->nsp == packet->nsp && again->ack_id == packet->ack_id);
        BUS_ASSERT(again->json == packet->json && again->name == packet->name);
    }
    // Each slice is valid alone, and among others.
    if (!packet->is_event() && !packet->is_ack()) return 0;
    JsonChecker checker;
    for (const std::string_view argument : packet->arguments) {
        std::vector<std::string_view> elements;
        BUS_ASSERT(scan_json(argument, elements).fault == nullptr);
        BUS_ASSERT(!packet->is_strict || checker.check(argument));
    }
    const std::string joined = join(packet->is_event() ? "\"name\"" : "", packet->arguments);
    const std::string passed_on = (packet->is_event() ? "2" : "31") + joined;
    const Result<Packet> slices = other.parse(std::string_view(passed_on));
    BUS_ASSERT(slices && slices->arguments.size() == packet->arguments.size());
    return 0;
}
