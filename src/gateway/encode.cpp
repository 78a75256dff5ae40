#include "gateway/encode.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json_text.h"
#include "event/encode.h"
#include "socketio/frames.h"

namespace eventbus {
namespace {

constexpr std::size_t kBesideData = 320;  // name, meta and place of a usual event, bytes

LatestKey latest_key(const Entry& entry) {
    if (!entry.latest) return LatestKey::kNone;
    const std::uint64_t hash =
        stable_hash(entry.event.type) * 31 + stable_hash(entry.event.subject);
    return static_cast<LatestKey>(hash | 1U);
}

// `["name",data,meta,`: what stands before the last argument.
std::string begin(const Entry& entry, const std::string& data, std::string_view offset) {
    std::string json;
    json.reserve(data.size() + kBesideData);
    json += '[';
    append_json_string(json, entry.name);
    json.append(",").append(data).append(",");
    append_meta(json, entry.event, offset);
    json += ',';
    return json;
}

}  // namespace

SharedFrame SocketEncoder::encode(const Entry& entry, std::uint16_t variant, As as) {
    const std::string offset = to_string(Offset{epoch_, entry.position});
    std::string json = begin(entry, entry.payload(variant), offset);
    if (as == As::kInOrder) {
        json.append("\"").append(offset).append("\"]");
        return event_frame(nsp_, json, latest_key(entry));
    }
    json.append("{\"offset\":\"").append(offset).append("\"}]");
    return event_frame(nsp_, json);
}

SharedFrame SocketEncoder::encode_group(const Entry& entry, const GroupTag& tag) const {
    const std::string offset = to_string(Offset{epoch_, entry.position});
    std::string json = begin(entry, entry.event.data, offset);
    json.append("{\"offset\":\"").append(offset).append("\",\"delivery\":");
    append_json_string(json, tag.delivery);
    json.append(",\"group\":");
    append_json_string(json, tag.group);
    json.append(",\"topic\":");
    append_json_string(json, tag.topic);
    json.append(fmt::format(",\"attempt\":{}}}]", tag.attempt));
    return event_frame(nsp_, json);
}

}  // namespace eventbus
