#include "event/topic.h"

#include <string>

#include "event/pattern.h"
#include "event/subject.h"

namespace eventbus {
namespace {

Error bad(std::string detail) { return {ErrorCode::kBadTopic, std::move(detail)}; }

Result<Topic> parse_subject(std::string_view text) {
    const std::string_view kind = subject_kind(text);
    if (kind == "user" || kind == "role" || kind == "everyone") {
        return bad("'" + std::string(kind) +
                   ":' is no topic: a socket is in the rooms of its user, its roles and everyone "
                   "by its token, without a subscription");
    }
    if (const Result<> checked = check_subject(text); !checked) {
        return bad(checked.error().detail);
    }
    if (subject_id(text) == "*" || subject_id(text) == "**") {
        return bad("a subscription names one subject, such as " + std::string(kind) +
                   ":123; many at once are a type pattern, such as " + std::string(kind) + ".**");
    }
    return Topic{Topic::Kind::kSubject, std::string(text)};
}

}  // namespace

Result<Topic> parse_topic(std::string_view text) {
    if (text.empty()) return bad("a topic is a subject, such as photo:123, or a type pattern");
    if (text.find(':') != std::string_view::npos) return parse_subject(text);
    if (text.size() > kTypeBytesMax) return bad("a type pattern has at most 256 bytes");
    if (!is_type_pattern(text)) {
        return bad(
            "a topic is a subject with a colon (photo:123), or a type pattern: names of letters, "
            "digits, '_' and '-' between dots, where * is one whole name and ** any number of "
            "them (photo.uploaded, photo.*, photo.**)");
    }
    return Topic{Topic::Kind::kPattern, std::string(text)};
}

}  // namespace eventbus
