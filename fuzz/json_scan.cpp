#include "wire/json_scan.h"

#include <simdjson.h>

#include <algorithm>
#include <string>

#include "base/json_check.h"
#include "base/utf8.h"
#include "fuzz_input.h"

namespace eventbus {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a number in `text` could be beyond what 64 bits hold.
bool has_large_number(std::string_view text) {
    constexpr std::ptrdiff_t kDigitsAlwaysFine = 18;
    for (auto at = text.begin(); at != text.end();) {
        const auto end = std::find_if_not(at, text.end(), is_digit);
        if (end - at > kDigitsAlwaysFine) return true;
        if (end != at && end != text.end() && (*end == 'e' || *end == 'E')) return true;
        at = end == text.end() ? end : end + 1;
    }
    return false;
}

// What scan_json() takes and JsonChecker does not must be one of the differences that json_scan.h
// names, and the text must have what makes it one.
bool is_known_difference(std::string_view text, std::string_view why) {
    const auto opened =
        std::count_if(text.begin(), text.end(), [](char c) { return c == '[' || c == '{'; });
    if (why.ends_with("a key twice")) return text.find('{') != std::string_view::npos;
    if (why.ends_with("half a surrogate pair or a control character")) {
        return text.find("\\ud") != std::string_view::npos ||
               text.find("\\uD") != std::string_view::npos;
    }
    if (why.ends_with("out of range")) return has_large_number(text);
    return why.ends_with("levels)") && opened > static_cast<std::ptrdiff_t>(kJsonDepthMax);
}

void check_elements(std::string_view text, const std::vector<std::string_view>& elements,
                    simdjson::dom::element parsed) {
    static JsonChecker checker;
    if (!parsed.is_array()) BUS_ASSERT(elements.empty());
    if (!parsed.is_array()) return;
    BUS_ASSERT(elements.size() == simdjson::dom::array(parsed).size());
    for (const std::string_view element : elements) {
        BUS_ASSERT(element.data() >= text.data());
        BUS_ASSERT(element.data() + element.size() <= text.data() + text.size());
        BUS_ASSERT(checker.check(element).has_value());
    }
}

// A placeholder that names one of so many names one of more, too; and without attachments to name
// it is JSON like all other.
void check_attachments(std::string_view text, const char* fault) {
    bool is_fine = false;
    for (std::size_t attachments = 0; attachments < 4; ++attachments) {
        std::vector<std::string_view> elements;
        const bool is_fine_now = scan_json(text, elements, attachments).fault == nullptr;
        BUS_ASSERT(is_fine_now || !is_fine);
        BUS_ASSERT(!is_fine_now || fault == nullptr);
        is_fine = is_fine_now;
    }
}

}  // namespace
}  // namespace eventbus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    const std::string_view text = FuzzInput(data, size).rest();
    if (!is_utf8(text)) return 0;  // who calls scan_json() has looked

    std::vector<std::string_view> elements;
    const JsonScan scan = scan_json(text, elements);
    static JsonChecker checker;
    const auto parsed = checker.parse(text);
    if (parsed) {
        BUS_ASSERT(scan.fault == nullptr);
        check_elements(text, elements, *parsed);
    } else if (scan.fault == nullptr) {
        BUS_ASSERT(!scan.is_strict);
        BUS_ASSERT(is_known_difference(text, parsed.error().detail));
    }
    check_attachments(text, scan.fault);
    return 0;
}
