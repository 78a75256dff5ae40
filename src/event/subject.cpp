#include "event/subject.h"

#include <algorithm>
#include <string>

namespace eventbus {
namespace {

Error bad(std::string detail) { return {ErrorCode::kBadSubject, std::move(detail)}; }

bool is_kind_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_kind(std::string_view kind) {
    return !kind.empty() && kind.size() <= kSubjectKindBytesMax && kind[0] >= 'a' &&
           kind[0] <= 'z' && std::all_of(kind.begin(), kind.end(), is_kind_character);
}

}  // namespace

bool is_service_name(std::string_view name) {
    return !name.empty() && name.size() <= kServiceNameBytesMax &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
               std::string_view::npos;
}

bool has_control_characters(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte == 0x7f) return true;
        if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
            return true;
        }
    }
    return false;
}

bool is_subject_id(std::string_view id) {
    return !id.empty() && id.size() <= kSubjectIdBytesMax && !has_control_characters(id);
}

Result<> check_subject_kind(std::string_view kind) {
    if (!is_kind(kind)) {
        return bad(
            "a subject's kind is a lower-case letter and then lower-case letters, digits, '_' and "
            "'-', at most 64, such as photo in photo:123");
    }
    if (kind == "user" || kind == "role" || kind == "everyone") {
        return bad("the kind '" + std::string(kind) +
                   "' names people's rooms and cannot be a subject's; take another, such as "
                   "profile:ID");
    }
    return {};
}

Result<> check_subject(std::string_view subject) {
    if (subject.find(':') == std::string_view::npos) {
        return bad("a subject is written kind:id, such as photo:123");
    }
    if (const Result<> kind = check_subject_kind(subject_kind(subject)); !kind) return kind;
    if (!is_subject_id(subject_id(subject))) {
        return bad("a subject's id has 1 to 256 bytes and no control characters");
    }
    return {};
}

}  // namespace eventbus
