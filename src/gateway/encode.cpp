#include "gateway/encode.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "event/encode.h"
#include "socketio/frames.h"

namespace eventbus {
namespace {

constexpr std::size_t kBesideData = 320;  // name, meta and place of a usual event, bytes

// The packet up to `["name",data,meta,`: what stands before the last argument.
std::string begin(std::string_view nsp, const Entry& entry, const std::string& data,
                  std::string_view offset) {
    std::string packet = begin_event(nsp, data.size() + kBesideData);
    packet += '[';
    append_json_string(packet, entry.name);
    packet.append(",").append(data).append(",");
    append_meta(packet, entry.event, offset);
    packet += ',';
    return packet;
}

}  // namespace

SharedFrame SocketEncoder::encode(const Entry& entry, std::uint16_t variant, const As& as) {
    const std::string offset = offset_text(log_, entry.position);
    std::string packet = begin(nsp_, entry, entry.payload(variant), offset);
    if (!as.is_history()) {
        packet.append("\"").append(offset).append("\"]");
        return text_frame(packet, latest_key(log_, entry));
    }
    packet.append("{\"offset\":\"").append(offset).append("\"");
    if (!as.topic().empty()) {
        packet.append(",\"topic\":");
        append_json_string(packet, as.topic());
    }
    packet.append("}]");
    return text_frame(packet);
}

SharedFrame SocketEncoder::encode_group(const Entry& entry, const GroupTag& tag) const {
    const std::string offset = offset_text(log_, entry.position);
    std::string packet = begin(nsp_, entry, entry.event.data, offset);
    packet.append("{\"offset\":\"").append(offset).append("\",\"delivery\":");
    append_json_string(packet, tag.delivery);
    packet.append(",\"group\":");
    append_json_string(packet, tag.group);
    packet.append(",\"topic\":");
    append_json_string(packet, tag.topic);
    packet.append(fmt::format(",\"attempt\":{}}}]", tag.attempt));
    return text_frame(packet);
}

}  // namespace eventbus
