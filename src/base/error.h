#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace eventbus {

// Whether the same request can succeed later, and who has to act first.
enum class Retry : std::uint8_t {
    kNever,      // the request itself is wrong
    kLater,      // after a pause, unchanged
    kNewToken,   // with another token
    kReconnect,  // on a new connection
};

// X(enumerator, name on the wire, HTTP status, retry, title): the closed list of what a caller can
// meet. docs/errors.md is compared with it by a test, and so is the SDK's list.
#define BUS_ERRORS(X)                                                                             \
    X(kBadRequest, "bad_request", 400, kNever, "The request is malformed.")                       \
    X(kBadEvent, "bad_event", 400, kNever, "The event is malformed.")                             \
    X(kBadSubject, "bad_subject", 400, kNever, "The event's subject cannot be made of its data.") \
    X(kBadTopic, "bad_topic", 400, kNever, "The topic is malformed.")                             \
    X(kBadOffset, "bad_offset", 400, kNever, "The offset is malformed.")                          \
    X(kUnknownType, "unknown_type", 400, kNever, "The catalog does not know this event type.")    \
    X(kInvalidData, "invalid_data", 400, kNever, "The event's data does not fit its schema.")     \
    X(kUnauthorized, "unauthorized", 401, kNewToken, "The token is missing or not accepted.")     \
    X(kTokenExpired, "token_expired", 401, kNewToken, "The token has expired.")                   \
    X(kForbidden, "forbidden", 403, kNever, "The token does not permit this.")                    \
    X(kNotFound, "not_found", 404, kNever, "There is no such thing here.")                        \
    X(kMethodNotAllowed, "method_not_allowed", 405, kNever, "The method is not supported here.")  \
    X(kIdReused, "id_reused", 409, kNever, "This id was used for an event with other content.")   \
    X(kPrincipalChanged, "principal_changed", 409, kNever,                                        \
      "Another user or service is signed in.")                                                    \
    X(kTooLarge, "too_large", 413, kNever, "The message is larger than the limit.")               \
    X(kUnsupportedMedia, "unsupported_media_type", 415, kNever, "The content type is unknown.")   \
    X(kTooMany, "too_many", 429, kLater, "A limit of this client is reached.")                    \
    X(kTooManyRooms, "too_many_rooms", 429, kNever, "The socket is in as many rooms as it may.")  \
    X(kSlowClient, "slow_client", 429, kReconnect,                                                \
      "The client reads more slowly than it is sent to.")                                         \
    X(kInternal, "internal", 500, kLater, "The server failed; its log says why.")                 \
    X(kReadOnly, "read_only", 503, kLater, "The log takes no writes now.")                        \
    X(kUnavailable, "unavailable", 503, kLater, "The server cannot do this now.")                 \
    X(kTimeout, "timeout", 504, kLater, "The answer did not come in time.")

enum class ErrorCode : std::uint8_t {
#define BUS_ERROR_ENUMERATOR(enumerator, name, status, retry, title) enumerator,
    BUS_ERRORS(BUS_ERROR_ENUMERATOR)
#undef BUS_ERROR_ENUMERATOR
};

// One row of the table above.
struct ErrorInfo {
    std::string_view name;  // on the wire
    int http_status;
    Retry retry;
    std::string_view title;  // one sentence for people
};

// The table's row of `code`. Any thread.
const ErrorInfo& error_info(ErrorCode code);

// Why something could not be done. `detail` names the thing and the fix, and never a secret.
struct Error {
    ErrorCode code = ErrorCode::kInternal;
    std::string detail;
    bool is_final = false;  // waiting does not help, whatever the table says of the code

    bool passes() const { return !is_final && error_info(code).retry == Retry::kLater; }
    std::string_view name() const { return error_info(code).name; }
};

}  // namespace eventbus
