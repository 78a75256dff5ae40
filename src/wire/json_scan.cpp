#include "wire/json_scan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/eight_bytes.h"
#include "base/json_check.h"
#include "base/json_text.h"

namespace eventbus {
namespace {

constexpr const char* kCutOff = "JSON that is cut off";
constexpr const char* kMalformed = "malformed JSON";
constexpr const char* kTooDeep = "JSON of too many levels";
constexpr std::string_view kEscapes = "\"\\/bfnrt";
constexpr std::size_t kSafeNumberBytes = 18;  // without an exponent, in the range of any reader
constexpr const char* kNoAttachment = "a placeholder that names no attachment";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> hex_value(const char* digits) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits, digits + 4, value, 16);
    if (error != std::errc() || end != digits + 4) return {};
    return value;
}

class Scanner {
 public:
    Scanner(std::string_view text, std::vector<std::string_view>& elements,
            std::optional<std::size_t> attachments)
        : at_(text.data()),
          end_(text.data() + text.size()),
          elements_(elements),
          attachments_(attachments) {}

    JsonScan scan() {
        skip_spaces();
        JsonScan result;
        if (at_ != end_) result.kind = kind_of(*at_);
        while (value() && behind_value() && !is_done_) {
        }
        result.fault = fault_;
        result.is_strict = is_strict_;
        return result;
    }

 private:
    enum class Key : std::uint8_t { kOther, kPlaceholder, kNum };

    struct Level {
        std::size_t first_key;  // in keys_, of an object
        bool is_object;
        Key key;              // whose value is being read
        bool is_placeholder;  // "_placeholder": true
        bool names_one;       // "num" is that of an attachment
    };

    static JsonKind kind_of(char first) {
        switch (first) {
            case '{':
                return JsonKind::kObject;
            case '[':
                return JsonKind::kArray;
            case '"':
                return JsonKind::kString;
            default:
                return first == '-' || is_digit(first) ? JsonKind::kNumber : JsonKind::kWord;
        }
    }

    bool fail(const char* fault) {
        fault_ = fault;
        return false;
    }

    void skip_spaces() {
        while (at_ != end_ && is_space(*at_)) ++at_;
    }

    Level& level() { return levels_[depth_ - 1]; }

    // Reads a value that is no container to its end, or opens a container.
    bool value() {
        if (at_ == end_) return fail(kCutOff);
        const char* const begin = at_;
        switch (*at_) {
            case '{':
            case '[':
                return open(*at_ == '{');
            case '"':
                if (!string()) return false;
                break;
            case 't':
                if (!word("true")) return false;
                break;
            case 'f':
                if (!word("false")) return false;
                break;
            case 'n':
                if (!word("null")) return false;
                break;
            default:
                if (!number()) return false;
        }
        note_value({begin, static_cast<std::size_t>(at_ - begin)});
        return true;
    }

    bool open(bool is_object) {
        note_value({});
        if (depth_ == kJsonScanLevelsMax) return fail(kTooDeep);
        levels_[depth_++] = {key_count_, is_object, Key::kOther, false, false};
        if (depth_ > kJsonDepthMax) is_strict_ = false;
        is_fresh_ = true;
        ++at_;
        return true;
    }

    // What may stand behind a value, or at the begin of a container, up to the next value or the
    // end of the text.
    bool behind_value() {
        for (;;) {
            const char* const value_end = at_;
            skip_spaces();
            if (depth_ == 0) {
                is_done_ = true;
                return at_ == end_ || fail(kMalformed);
            }
            if (at_ == end_) return fail(kCutOff);
            const bool is_fresh = std::exchange(is_fresh_, false);
            const bool is_object = level().is_object;
            if (*at_ == (is_object ? '}' : ']')) {
                if (!is_fresh) end_element(value_end);
                if (level().is_placeholder && !level().names_one) return fail(kNoAttachment);
                key_count_ = level().first_key;
                --depth_;
                ++at_;
                continue;  // the container is a value that has ended
            }
            if (!is_fresh) {
                if (*at_ != ',') return fail(kMalformed);
                end_element(value_end);
                ++at_;
                skip_spaces();
            }
            if (depth_ == 1) element_ = at_;
            return !is_object || key();
        }
    }

    void end_element(const char* value_end) {
        if (depth_ != 1 || level().is_object) return;
        elements_.emplace_back(element_, static_cast<std::size_t>(value_end - element_));
    }

    bool key() {
        const char* const begin = at_;
        if (at_ == end_) return fail(kCutOff);
        if (*at_ != '"') return fail(kMalformed);
        has_escapes_ = false;
        if (!string()) return false;
        const std::string_view raw(begin, static_cast<std::size_t>(at_ - begin));
        note_key(raw);
        if (attachments_) {
            const std::string name = has_escapes_ ? json_unescaped(raw) : std::string();
            const std::string_view plain =
                name.empty() ? raw.substr(1, raw.size() - 2) : std::string_view(name);
            level().key = plain == "_placeholder" ? Key::kPlaceholder
                          : plain == "num"        ? Key::kNum
                                                  : Key::kOther;
        }
        skip_spaces();
        if (at_ == end_) return fail(kCutOff);
        if (*at_ != ':') return fail(kMalformed);
        ++at_;
        skip_spaces();
        return true;
    }

    // `raw`: with its quotes.
    void note_key(std::string_view raw) {
        if (!is_strict_) return;
        const KeyText* const end = keys_.data() + key_count_;
        for (const KeyText* other = keys_.data() + level().first_key; other != end; ++other) {
            if (other->size != raw.size()) continue;
            if (std::memcmp(other->begin, raw.data(), raw.size()) == 0) is_strict_ = false;
        }
        if (has_escapes_ || key_count_ == kScannedKeysMax) is_strict_ = false;
        if (is_strict_) keys_[key_count_++] = {raw.data(), raw.size()};
    }

    // `text`: empty for a container.
    void note_value(std::string_view text) {
        if (!attachments_ || depth_ == 0 || !level().is_object) return;
        if (level().key == Key::kPlaceholder) level().is_placeholder = text == "true";
        if (level().key != Key::kNum) return;
        std::size_t number = 0;
        const char* const end = text.data() + text.size();
        const auto [last, error] = std::from_chars(text.data(), end, number);
        level().names_one =
            !text.empty() && error == std::errc() && last == end && number < *attachments_;
    }

    bool string() {
        ++at_;
        for (;;) {
            skip_plain();
            if (at_ == end_) return fail(kCutOff);
            const char c = *at_++;
            if (c == '"') return true;
            if (static_cast<unsigned char>(c) < 0x20) return fail(kMalformed);
            if (c == '\\' && !escape()) return false;
        }
    }

    // To a quote, a backslash or a control character, or to the last seven bytes.
    void skip_plain() {
        for (; end_ - at_ >= 8; at_ += 8) {
            const EightBytes eight(at_);
            const auto marks = eight.equal_to('"') | eight.equal_to('\\') | eight.below(0x20);
            if (marks == 0) continue;
            at_ += EightBytes::first(marks);
            return;
        }
    }

    bool escape() {
        if (at_ == end_) return fail(kCutOff);
        has_escapes_ = true;
        const char c = *at_++;
        if (c != 'u') return kEscapes.find(c) != std::string_view::npos || fail(kMalformed);
        is_strict_ = false;
        if (end_ - at_ < 4) return fail(kCutOff);
        if (!hex_value(at_)) return fail(kMalformed);
        at_ += 4;
        return true;
    }

    bool word(std::string_view expected) {
        const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
        if (!rest.starts_with(expected)) return fail(kMalformed);
        at_ += expected.size();
        return true;
    }

    bool digits() {
        if (at_ == end_) return fail(kCutOff);
        if (!is_digit(*at_)) return fail(kMalformed);
        while (at_ != end_ && is_digit(*at_)) ++at_;
        return true;
    }

    bool number() {
        const char* const begin = at_;
        if (*at_ == '-') ++at_;
        if (at_ != end_ && *at_ == '0') {
            ++at_;
        } else if (!digits()) {
            return false;
        }
        if (at_ != end_ && *at_ == '.') {
            ++at_;
            if (!digits()) return false;
        }
        if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
            is_strict_ = false;
            ++at_;
            if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
            if (!digits()) return false;
        }
        if (static_cast<std::size_t>(at_ - begin) > kSafeNumberBytes) is_strict_ = false;
        return true;
    }

    struct KeyText {  // with its quotes
        const char* begin;
        std::size_t size;
    };

    const char* at_;
    const char* const end_;
    std::vector<std::string_view>& elements_;
    const std::optional<std::size_t> attachments_;
    const char* fault_ = nullptr;
    const char* element_ = nullptr;  // where the outer array's present one begins
    bool is_fresh_ = false;          // a container has been opened, and nothing stands in it yet
    bool is_done_ = false;
    bool has_escapes_ = false;  // since it was reset
    bool is_strict_ = true;     // so far; JsonScan::is_strict
    std::size_t depth_ = 0;
    std::size_t key_count_ = 0;
    // Not initialized: only the used parts are touched.
    std::array<KeyText, kScannedKeysMax> keys_;  // of the open objects
    std::array<Level, kJsonScanLevelsMax> levels_;
};

}  // namespace

JsonScan scan_json(std::string_view text, std::vector<std::string_view>& elements,
                   std::optional<std::size_t> attachments) {
    return Scanner(text, elements, attachments).scan();
}

}  // namespace eventbus
