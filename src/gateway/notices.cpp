#include "gateway/notices.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace eventbus::notices {
namespace {

constexpr int kRetryAfterMs = 1000;

std::string_view name_of(Admitted::Unknown::Code code) {
    switch (code) {
        case Admitted::Unknown::Code::kSession:
            return "session";
        case Admitted::Unknown::Code::kOffset:
            return "offset";
        case Admitted::Unknown::Code::kSince:
            break;
    }
    return "since";
}

}  // namespace

std::string resume_done(std::uint64_t missed) {
    return fmt::format(R"(["resume.done",{{"missed":{}}}])", missed);
}

std::string resume_done(std::uint64_t missed, const FirstPlace& first) {
    return fmt::format(
        R"(["resume.done",{{"missed":{},"principal":"{}","dedupeWindowMs":{}}},"{}"])", missed,
        first.principal, first.dedupe_window.count(), first.place);
}

std::string resume_unknown(const Admitted::Unknown& unknown, std::string_view to) {
    return fmt::format(R"(["resume.unknown",{{"code":"{}","reason":{},"to":{}}}])",
                       name_of(unknown.code), json_string(unknown.reason), json_string(to));
}

std::string resume_gap(std::string_view from, std::string_view to) {
    return fmt::format(R"(["resume.gap",{{"from":{},"to":{}}}])", json_string(from),
                       json_string(to));
}

std::string watch_ended(std::string_view topic, const Error& error) {
    return fmt::format(R"(["watch.ended",{{"topic":{},"code":"{}","message":{}}}])",
                       json_string(topic), error.name(), json_string(error.detail));
}

std::string membership_ended(std::string_view group, std::string_view topic, const Error& error) {
    return fmt::format(R"(["watch.ended",{{"topic":{},"group":{},"code":"{}","message":{}}}])",
                       json_string(topic), json_string(group), error.name(),
                       json_string(error.detail));
}

std::string token_expiring(std::chrono::milliseconds expires_in) {
    return fmt::format(R"(["token.expiring",{{"expiresInMs":{}}}])", expires_in.count());
}

std::string token_expired() {
    const ErrorInfo& info = error_info(ErrorCode::kTokenExpired);
    return fmt::format(R"(["token.expired",{{"code":"{}","message":"{}"}}])", info.name,
                       info.title);
}

std::string error_object(const Error& error) {
    const ErrorInfo& info = error_info(error.code);
    const std::string_view message = error.detail.empty() ? info.title : error.detail;
    std::string object =
        fmt::format(R"({{"code":"{}","message":{})", info.name, json_string(message));
    if (error.passes()) object += fmt::format(R"(,"retryAfterMs":{})", kRetryAfterMs);
    return object += '}';
}

std::string refusal(const Error& error) {
    return fmt::format(R"([{{"ok":false,"error":{}}}])", error_object(error));
}

}  // namespace eventbus::notices
