#include "wire/websocket_handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/assert.h"
#include "base/text.h"

namespace eventbus::websocket {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
constexpr std::size_t kKeyCharacters = 24;  // 16 bytes as base64: 22 characters and ==

// As take_part(), but separators inside of quotes do not count: a quoted value of some other
// extension may hold any of them.
std::string_view take_unquoted_part(std::string_view& list, char separator) {
    bool is_quoted = false;
    std::size_t at = 0;
    for (; at < list.size() && (is_quoted || list[at] != separator); ++at) {
        if (list[at] == '"') is_quoted = !is_quoted;
        if (list[at] == '\\' && is_quoted) ++at;
    }
    at = std::min(at, list.size());
    const std::string_view part = trim(list.substr(0, at));
    list.remove_prefix(std::min(at + 1, list.size()));
    return part;
}

bool is_base64_character(unsigned char c) { return std::isalnum(c) || c == '+' || c == '/'; }

// The last character before == carries 2 bits only; implementations do send others, so any is
// taken.
bool is_key(std::string_view key) {
    return key.size() == kKeyCharacters && key.ends_with("==") &&
           std::all_of(key.begin(), key.end() - 2, is_base64_character);
}

// 8 to 15, as RFC 7692, 7.1.2 writes it.
std::optional<int> window_bits(std::string_view value) {
    if (value == "8" || value == "9") return value[0] - '0';
    if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5') {
        return 10 + value[1] - '0';
    }
    return {};
}

struct Parameter {
    std::string_view name;
    std::optional<std::string_view> value;
};

Parameter parse_parameter(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return {text, {}};
    std::string_view value = trim(text.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
    }
    return {trim(text.substr(0, equals)), value};
}

// The answer to one offer, without its first word; nothing when it cannot be had.
std::optional<std::string> answer_to(std::string_view parameters) {
    enum Seen : unsigned { kServerNo = 1, kClientNo = 2, kServerBits = 4, kClientBits = 8 };
    unsigned seen = 0;
    const auto is_first = [&seen](Seen which) {
        return (std::exchange(seen, seen | which) & which) == 0;
    };
    std::string answer = "; server_no_context_takeover; client_no_context_takeover";

    while (!parameters.empty()) {
        const auto [name, value] = parse_parameter(take_unquoted_part(parameters, ';'));
        if (name == "server_no_context_takeover") {
            if (!is_first(kServerNo) || value) return {};
        } else if (name == "client_no_context_takeover") {
            if (!is_first(kClientNo) || value) return {};
        } else if (name == "server_max_window_bits") {
            if (!is_first(kServerBits) || !value || window_bits(*value) != 15) return {};
            answer += "; server_max_window_bits=15";
        } else if (name == "client_max_window_bits") {
            // A hint that the client could do with less; we can read 15, so it stays unanswered.
            if (!is_first(kClientBits) || (value && !window_bits(*value))) return {};
        } else {
            return {};
        }
    }
    return answer;
}

}  // namespace

bool list_contains(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        if (equals_ignoring_case(take_unquoted_part(list, ','), token)) return true;
    }
    return false;
}

std::optional<Refusal> check_upgrade(const UpgradeRequest& request) {
    if (request.method != "GET") return Refusal{405, "a WebSocket begins with GET"};
    if (!list_contains(request.upgrade, "websocket")) {
        return Refusal{400, "the Upgrade field must name websocket"};
    }
    if (!list_contains(request.connection, "upgrade")) {
        return Refusal{400, "the Connection field must name Upgrade"};
    }
    if (request.version.empty()) return Refusal{400, "Sec-WebSocket-Version is missing"};
    if (request.version != "13") return Refusal{426, "Sec-WebSocket-Version must be 13"};
    if (!is_key(request.key)) return Refusal{400, "Sec-WebSocket-Key must be 16 bytes as base64"};
    return {};
}

std::string accept_value(std::string_view key) {
    std::string text(key);
    text += kGuid;
    // OpenSSL looks for EVP_sha1() in its providers each time, which takes longer than the digest.
    static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    BUS_ASSERT(sha1 != nullptr &&
               EVP_Digest(text.data(), text.size(), digest.data(), &size, sha1, nullptr) == 1);

    std::array<unsigned char, 4 * (EVP_MAX_MD_SIZE / 3 + 1) + 1> encoded;
    const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
    return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

std::optional<std::string> agree_to_deflate(std::string_view offers) {
    while (!offers.empty()) {
        std::string_view offer = take_unquoted_part(offers, ',');
        if (take_unquoted_part(offer, ';') != "permessage-deflate") continue;
        if (const auto answer = answer_to(offer)) return "permessage-deflate" + *answer;
    }
    return {};
}

}  // namespace eventbus::websocket
