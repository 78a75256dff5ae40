#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/room.h"

namespace eventbus {

// What can be subscribed to: a subject (`photo:123`, with a colon), or the types that a pattern
// covers (`photo.uploaded`, `photo.*`, `photo.**`).
struct Topic {
    enum class Kind : std::uint8_t { kSubject, kPattern };
    Kind kind = Kind::kSubject;
    std::string text;

    bool is_subject() const { return kind == Kind::kSubject; }
    // Of those who watch it.
    Room room() const { return is_subject() ? Room::subject(text) : Room::pattern(text); }
};

// Errors: kBadTopic; the detail says what is wrong and how it is written right.
Result<Topic> parse_topic(std::string_view text);

}  // namespace eventbus
