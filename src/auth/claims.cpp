#include "auth/claims.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/utf8.h"
#include "event/subject.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;
using std::chrono::seconds;

constexpr double kSecondsMax = 9.2e9;  // the year 2261, the end of system_clock

Error refused(std::string detail) { return Error{ErrorCode::kUnauthorized, std::move(detail)}; }

std::optional<element> find(const object& claims, std::string_view name) {
    element value;
    if (claims.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

std::string whole_seconds(Clock::WallTime::duration time) {
    return std::to_string(std::chrono::duration_cast<seconds>(time).count()) + " s";
}

// A NumericDate (RFC 7519, 2): seconds since 1970, perhaps with a fraction. No value: no claim.
Result<std::optional<Clock::WallTime>> read_time(const object& claims, std::string_view name) {
    const auto claim = find(claims, name);
    if (!claim) return std::optional<Clock::WallTime>();
    double value = 0;
    if (claim->get(value) != simdjson::SUCCESS || !std::isfinite(value) || value < 0) {
        return refused("the token's `" + std::string(name) + "` is no number of seconds");
    }
    if (value > kSecondsMax) {
        return refused("the token's `" + std::string(name) +
                       "` is too far ahead; it counts seconds, not milliseconds");
    }
    const auto since_epoch = std::chrono::duration<double>(value);
    return std::optional(
        Clock::WallTime(std::chrono::duration_cast<Clock::WallTime::duration>(since_epoch)));
}

// When the token ends for us.
Result<Clock::WallTime> check_times(const object& claims, seconds skew, Clock::WallTime now) {
    const auto expires = read_time(claims, "exp");
    if (!expires) return expires.error();
    const auto not_before = read_time(claims, "nbf");
    if (!not_before) return not_before.error();
    const auto issued = read_time(claims, "iat");
    if (!issued) return issued.error();

    if (*not_before && **not_before > now + skew) {
        return refused("the token is not valid before " + rfc3339(**not_before) + ", in " +
                       whole_seconds(**not_before - now) + "; are the clocks right?");
    }
    if (*issued && **issued > now + skew) {
        return refused("the token was issued in the future, at " + rfc3339(**issued) +
                       "; are the clocks right?");
    }
    if (!*expires) return Clock::WallTime::max();
    if (**expires + skew <= now) {
        return Error{ErrorCode::kTokenExpired, "the token expired at " + rfc3339(**expires) + ", " +
                                                   whole_seconds(now - **expires) +
                                                   " ago; get a new one"};
    }
    return **expires + skew;
}

Result<> check_issuer(const object& claims, const std::string& issuer) {
    if (issuer.empty()) return {};
    const auto claim = find(claims, "iss");
    std::string_view value;
    if (!claim) return refused("the token has no `iss`; it must be \"" + issuer + "\"");
    if (claim->get(value) != simdjson::SUCCESS || value != issuer) {
        return refused("the token's `iss` is not \"" + issuer + "\"");
    }
    return {};
}

Result<> check_audience(const object& claims, const std::string& audience) {
    if (audience.empty()) return {};
    const auto claim = find(claims, "aud");
    if (!claim) return refused("the token has no `aud`; it must hold \"" + audience + "\"");
    std::string_view value;
    if (claim->get(value) == simdjson::SUCCESS && value == audience) return {};
    simdjson::dom::array list;
    if (claim->get(list) == simdjson::SUCCESS) {
        for (const element one : list) {
            if (one.get(value) == simdjson::SUCCESS && value == audience) return {};
        }
    }
    return refused("the token is for another audience; its `aud` must hold \"" + audience + "\"");
}

// The claim of that whole name, else what lies at that path.
// Errors: kUnauthorized, what should be an object on the way is none.
Result<std::optional<element>> find_claim(object claims, std::string_view name) {
    if (const auto whole = find(claims, name)) return whole;
    std::string_view rest = name;
    while (true) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        const auto next = find(claims, rest.substr(0, dot));
        if (!next || dot == rest.size()) return next;
        if (next->is_null()) return std::optional<element>();
        rest.remove_prefix(dot + 1);
        if (next->get(claims) == simdjson::SUCCESS) continue;
        const std::string_view way = name.substr(0, name.size() - rest.size() - 1);
        return refused("the token's `" + std::string(way) + "` is no object, so there is no `" +
                       std::string(name) + "` in it");
    }
}

// What a claim lists.
struct ListRules {
    std::size_t count_max;
    bool (*is_one)(std::string_view text);
    const char* what;  // "names of 1 to 256 bytes"
    // Words of a text that are left out: a scope of OAuth holds words of others (`openid`).
    bool (*is_foreign)(std::string_view word);
};

constexpr ListRules kRoles{kRolesMax, is_user_id, "names of 1 to 256 bytes",
                           [](std::string_view) { return false; }};
constexpr ListRules kPermissions{
    kPermissionsMax, is_permission, "texts verb:pattern of up to 256 bytes, such as watch:photo:*",
    [](std::string_view word) {
        return word.find(':') == std::string_view::npos || word[0] == ':';
    }};

// An array of strings, or one text of them with blanks between, as the scope of OAuth.
Result<std::vector<std::string>> read_list(const object& claims, const std::string& name,
                                           const ListRules& rules) {
    std::vector<std::string> strings;
    const auto claim = find_claim(claims, name);
    if (!claim) return claim.error();
    if (!*claim || (*claim)->is_null()) return strings;

    bool is_good = true;
    const auto take = [&](std::string_view text) {
        is_good = is_good && rules.is_one(text) && strings.size() < rules.count_max;
        if (is_good) strings.emplace_back(text);
    };
    std::string_view text;
    simdjson::dom::array list;
    if ((*claim)->get(list) == simdjson::SUCCESS) {
        for (const element value : list) {
            if (value.get(text) != simdjson::SUCCESS) text = {};
            take(text);
        }
    } else if ((*claim)->get(text) == simdjson::SUCCESS) {
        while (!text.empty()) {
            const std::string_view word = take_part(text, ' ');
            if (!word.empty() && !rules.is_foreign(word)) take(word);
        }
    } else {
        is_good = false;
    }
    if (is_good) return strings;
    return refused("the token's `" + name + "` must be a list of at most " +
                   std::to_string(rules.count_max) + " " + rules.what +
                   ", or a text of them with blanks between");
}

Result<> read_service(element claim, const ClaimRules& rules, Principal& principal) {
    std::string_view name;
    if (claim.get(name) != simdjson::SUCCESS || !is_service_name(name)) {
        return refused("the token's `" + rules.service_claim +
                       "` must be a name of 1 to 64 of a-z, 0-9 and -");
    }
    principal.kind = Principal::Kind::kService;
    principal.id = name;
    return {};
}

Result<> read_user(const object& claims, const ClaimRules& rules, Principal& principal) {
    const auto claim = find_claim(claims, rules.user_claim);
    if (!claim) return claim.error();
    if (!*claim) {
        return refused("the token has neither `" + rules.user_claim + "` nor `" +
                       rules.service_claim + "`: it names nobody");
    }
    std::string_view id;
    if ((*claim)->get(id) != simdjson::SUCCESS || !is_user_id(id)) {
        return refused("the token's `" + rules.user_claim +
                       "` must be a string of 1 to 256 bytes without control characters");
    }
    auto roles = read_list(claims, rules.roles_claim, kRoles);
    if (!roles) return roles.error();
    principal.kind = Principal::Kind::kUser;
    principal.id = id;
    principal.roles = *std::move(roles);
    return {};
}

}  // namespace

bool is_permission(std::string_view text) {
    const std::size_t colon = text.find(':');
    return is_user_id(text) && colon != std::string_view::npos && colon > 0 &&
           colon + 1 < text.size() && text.substr(0, colon).find(' ') == std::string_view::npos;
}

bool is_user_id(std::string_view id) {
    return !id.empty() && id.size() <= kUserIdBytesMax && !has_control_characters(id) &&
           is_utf8(id);
}

Result<Principal> read_claims(const object& claims, const ClaimRules& rules, Clock::WallTime now) {
    const auto expires_at = check_times(claims, rules.clock_skew, now);
    if (!expires_at) return expires_at.error();
    if (const auto issuer = check_issuer(claims, rules.issuer); !issuer) return issuer.error();
    if (const auto audience = check_audience(claims, rules.audience); !audience) {
        return audience.error();
    }

    Principal principal;
    principal.expires_at = *expires_at;
    const auto service = find_claim(claims, rules.service_claim);
    if (!service) return service.error();
    const Result<> who =
        *service ? read_service(**service, rules, principal) : read_user(claims, rules, principal);
    if (!who) return who.error();
    auto permissions = read_list(claims, rules.permissions_claim, kPermissions);
    if (!permissions) return permissions.error();
    principal.permissions = *std::move(permissions);
    return principal;
}

}  // namespace eventbus
