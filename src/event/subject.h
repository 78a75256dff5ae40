#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace eventbus {

// A subject is `kind:id`: a kind of [a-z][a-z0-9_-]*, an id of 1 to kSubjectIdBytesMax bytes
// without control characters. The id may hold colons and dots. The kinds user, role and everyone
// name people's rooms and are never a subject's.
inline constexpr std::size_t kSubjectIdBytesMax = 256;
inline constexpr std::size_t kSubjectKindBytesMax = 64;

// Errors: kBadSubject; the detail says what is wrong and how it is written right.
Result<> check_subject(std::string_view subject);

// The same for the kind alone: `photo`.
Result<> check_subject_kind(std::string_view kind);

// Whether `id` can follow the colon, of a subject or of a user's room.
bool is_subject_id(std::string_view id);

// What stands before and behind the first colon; of text without one: nothing, and all of it.
constexpr std::string_view subject_kind(std::string_view subject) {
    const auto colon = subject.find(':');
    return colon == std::string_view::npos ? std::string_view() : subject.substr(0, colon);
}
constexpr std::string_view subject_id(std::string_view subject) {
    return subject.substr(subject.find(':') + 1);
}

// A service's name, and a consumer group's: 1 to kServiceNameBytesMax of [a-z0-9-].
inline constexpr std::size_t kServiceNameBytesMax = 64;
bool is_service_name(std::string_view name);

// Bytes 0 to 31 and 127, and U+0080 to U+009F in UTF-8.
bool has_control_characters(std::string_view text);

}  // namespace eventbus
