#include "api/event_source.h"

#include <fmt/format.h>

#include <chrono>

#include "base/json_text.h"
#include "base/text.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSoon{2'000};
constexpr milliseconds kRenewed{10'000};  // a page that renews its cookie has done so
constexpr milliseconds kNever{60'000};    // it cannot be told not to come back

constexpr std::string_view kStreamType = "text/event-stream";

milliseconds comes_back_after(Retry retry) {
    switch (retry) {
        case Retry::kLater:
        case Retry::kReconnect:
            return kSoon;
        case Retry::kNewToken:
            return kRenewed;
        case Retry::kNever:
            return kNever;
    }
    return kNever;
}

bool accepts_stream(const HttpHeaders& headers) {
    const std::string accept = headers.joined("Accept");
    std::string_view types = accept;
    while (!types.empty()) {
        std::string_view type = take_part(types, ',');
        if (equals_ignoring_case(take_part(type, ';'), kStreamType)) return true;
    }
    return false;
}

}  // namespace

bool is_of_event_source(const HttpRequest& request) {
    const HttpHeaders& headers = request.headers;
    return !headers.contains("Authorization") &&
           (accepts_stream(headers) || headers.contains("Last-Event-ID"));
}

HttpResponse event_source_refusal(const Error& error) {
    const ErrorInfo& info = error_info(error.code);
    std::string body = fmt::format("retry: {}\n", comes_back_after(info.retry).count());
    if (info.retry == Retry::kLater || info.retry == Retry::kReconnect) {
        body += fmt::format(": {}: {}\n\n", info.name, error.detail);
    } else {
        const bool has_expired = error.code == ErrorCode::kTokenExpired;
        body += notice_event(has_expired ? "token.expired" : "stream.refused", error);
    }
    HttpResponse response = text_response(200, std::move(body), kStreamType);
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::string notice_event(std::string_view name, const Error& error) {
    const ErrorInfo& info = error_info(error.code);
    const std::string_view message = error.detail.empty() ? info.title : error.detail;
    return fmt::format("event: {}\ndata: {{\"code\":\"{}\",\"message\":{}}}\n\n", name, info.name,
                       json_string(message));
}

}  // namespace eventbus
