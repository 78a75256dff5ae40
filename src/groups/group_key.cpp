#include "groups/group_key.h"

#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/hash.h"
#include "event/pattern.h"
#include "event/subject.h"

namespace eventbus {
namespace {

// A number as to_string writes it: digits, no leading zero, not 0.
template <class Number>
bool parse_number(std::string_view text, Number& out) {
    if (text.empty() || text.front() == '0') return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

Error no_such_delivery() {
    return {ErrorCode::kNotFound,
            "there is no such delivery: ack and nack take what the event's "
            "last argument has as `delivery`"};
}

}  // namespace

std::string to_string(const GroupKey& key) { return key.name + ':' + key.topic; }

Result<> check(const GroupKey& key) {
    if (!is_service_name(key.name)) {
        return Error{ErrorCode::kBadRequest,
                     "a group's name is 1 to 64 of a-z, 0-9 and '-', as in \"thumbnails\""};
    }
    if (!is_type_pattern(key.topic)) {
        return Error{ErrorCode::kBadTopic,
                     "a group's topic is a type or a pattern of types, as in \"photo.uploaded\", "
                     "\"photo.*\" or \"photo.**\""};
    }
    return {};
}

std::size_t home_of(const GroupKey& key, std::size_t reactors) {
    BUS_ASSERT(reactors > 0);
    return static_cast<std::size_t>(stable_hash(to_string(key)) % reactors);
}

std::string to_string(const DeliveryId& id) {
    const std::string place =
        id.epoch.empty() ? to_string(id.position) : to_string(Offset{id.epoch, id.position});
    return to_string(id.group) + ':' + place + '.' + std::to_string(id.attempt);
}

Result<DeliveryId> parse_delivery_id(std::string_view text) {
    const std::size_t name_end = text.find(':');
    const std::size_t topic_end = text.rfind(':');
    if (name_end == std::string_view::npos || name_end == topic_end) return no_such_delivery();
    const std::string_view part = text.substr(topic_end + 1);
    const std::size_t dot = part.rfind('.');
    if (dot == std::string_view::npos) return no_such_delivery();
    const std::string_view place = part.substr(0, dot);

    DeliveryId id;
    std::uint64_t position = 0;
    if (!parse_number(part.substr(dot + 1), id.attempt)) return no_such_delivery();
    if (parse_number(place, position)) {
        id.position = Position(position);
    } else {
        Result<Offset> offset = parse_offset(place);
        if (!offset || offset->position.is_before_first()) return no_such_delivery();
        id.epoch = std::move(offset->epoch);
        id.position = offset->position;
    }
    id.group.name = text.substr(0, name_end);
    id.group.topic = text.substr(name_end + 1, topic_end - name_end - 1);
    if (!check(id.group)) return no_such_delivery();
    return id;
}

}  // namespace eventbus
