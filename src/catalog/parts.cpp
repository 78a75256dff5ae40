#include "catalog/parts.h"

#include <algorithm>
#include <array>
#include <string>

#include "catalog/words.h"
#include "event/nearest.h"
#include "event/subject.h"

namespace eventbus {
namespace {

constexpr std::string_view kServiceColon = "service:";

std::string listed(std::span<const std::string_view> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
        text += words[i];
    }
    return text;
}

std::string or_nearest(std::string_view word, std::span<const std::string_view> known) {
    const std::string_view near = nearest(word, known);
    if (!near.empty()) return "did you mean '" + std::string(near) + "'?";
    return "known are " + listed(known);
}

void read_access_word(const Spec& word, const std::string& key, AccessRule& rule,
                      Problems& problems) {
    constexpr std::array<std::string_view, 5> kPublishers{"service", "service:NAME", "permission",
                                                          "user", "owner"};
    constexpr std::array<std::string_view, 3> kConsumers{"service", "service:NAME", "permission"};
    const bool is_publish = key == "publish";
    const std::string& text = word.text;
    if (word.is_string() && text == "service") {
        rule.any_service = true;
    } else if (word.is_string() && text == "permission") {
        rule.permission = true;
    } else if (word.is_string() && text == "user" && is_publish) {
        rule.users = true;
    } else if (word.is_string() && text == "owner" && is_publish) {
        rule.users_if_owner = true;
    } else if (word.is_string() && text.starts_with(kServiceColon)) {
        const std::string name = text.substr(kServiceColon.size());
        if (!is_service_name(name)) {
            problems.error(
                word.line, "'" + name + "' is no service's name",
                "it has 1 to 64 small letters, digits and '-', as the token's claim `service`");
        }
        rule.services.push_back(name);
    } else if (!is_publish && word.is_string() && (text == "user" || text == "owner")) {
        problems.error(
            word.line, "users do not consume: groups are for services",
            "write whom an event goes to under `audience:`, and who may watch under `rooms:`");
    } else {
        const std::span<const std::string_view> known =
            is_publish ? std::span<const std::string_view>(kPublishers)
                       : std::span<const std::string_view>(kConsumers);
        problems.error(word.line, "`" + key + "` knows no '" + text + "'", or_nearest(text, known));
    }
}

// What is quoted from the file may hold anything; a problem is one line.
std::string on_one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            line += "\\n";
        } else {
            line += byte < 0x20 || byte == 0x7f ? '?' : c;
        }
    }
    return line;
}

}  // namespace

std::vector<const Spec*> as_list(const Spec& spec) {
    if (!spec.is_list()) return {&spec};
    std::vector<const Spec*> items;
    for (const Spec& item : spec.items) items.push_back(&item);
    return items;
}

void refuse_unknown_keys(const Spec& map, std::span<const std::string_view> known,
                         std::string_view of_what, Problems& problems) {
    for (const SpecField& field : map.fields) {
        if (std::find(known.begin(), known.end(), field.name) != known.end()) continue;
        problems.error(field.line, std::string(of_what) + " has no key '" + field.name + "'",
                       or_nearest(field.name, known));
    }
}

AccessRule read_access(const SpecField& field, Problems& problems) {
    AccessRule rule;
    rule.any_service = false;
    for (const Spec* word : as_list(field.value))
        read_access_word(*word, field.name, rule, problems);
    return rule;
}

Retention read_retention(const Spec& spec, Retention defaults, Problems& problems) {
    constexpr std::array<std::string_view, 2> kKeys{"age", "bytes"};
    const auto read_age = [&](const Spec& age) {
        const auto parsed = parse_age(age.text);
        if (parsed) {
            defaults.age = *parsed;
        } else {
            problems.error(age.line, "'" + age.text + "' is no time to retain for",
                           "write a number and s, m, h, d or w, at most 10 years, such as 7d");
        }
    };
    if (!spec.is_map()) {
        read_age(spec);
        return defaults;
    }
    refuse_unknown_keys(spec, kKeys, "`retain`", problems);
    if (const Spec* age = spec.find("age")) read_age(*age);
    if (const Spec* bytes = spec.find("bytes")) {
        const auto parsed = parse_bytes(bytes->text);
        if (parsed) {
            defaults.bytes_max = *parsed;
        } else {
            problems.error(bytes->line, "'" + bytes->text + "' is no amount of bytes",
                           "write a number, or one with KB, MB, GB, KiB, MiB or GiB, such as 1GB");
        }
    }
    return defaults;
}

void Problems::add(Problem problem) {
    if (problems_.size() == kProblemsMax) return;
    problem.what = on_one_line(problem.what);
    problem.fix = on_one_line(problem.fix);
    problems_.push_back(std::move(problem));
}

std::vector<Problem> Problems::take_sorted() {
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const Problem& a, const Problem& b) { return a.line < b.line; });
    return std::move(problems_);
}

}  // namespace eventbus
