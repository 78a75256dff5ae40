#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/json_check.h"
#include "base/result.h"
#include "event/event.h"

namespace eventbus {

struct ReadLimits {
    std::size_t events_max = 1000;           // of one list
    std::size_t data_bytes_max = 1'000'000;  // of one event
};

// Reads events as publishers write them. All of a list or nothing; an attribute that is not given
// is empty in the event, and so is one given as null.
//
//   event    {"type":…,"data":{…}, "id"?,"source"?,"subject"?,"time"?,"traceparent"?}; any other
//            attribute is an error, as it is probably misspelt
//   cloud    CloudEvents 1.0, structured: `specversion` "1.0", `id`, `source` and `type`, data in
//            JSON. Extension attributes are allowed by the standard: traceparent is kept, others
//            are left out. Without `data` the data is {}.
//   binary   CloudEvents 1.0 in HTTP's binary mode: attributes are headers, the body is the data
//
// The data is passed on as it was written, but line breaks between its tokens, which become spaces:
// a log line and a server-sent event are one line.
//
// Thread:  one at a time; one reader a reactor.
// Bounded: ReadLimits; the text itself is bounded by the caller.
// Errors:  kBadRequest (the JSON), kBadEvent, kBadSubject, kTooLarge. In a list the detail names
//          the event by its place, counted from 0.
class EventReader {
 public:
    explicit EventReader(ReadLimits limits = {}) : limits_(limits) {}

    struct Events {
        std::vector<Event> events;
        bool is_list = false;  // the text was a list, so the answer is one
    };

    Result<Events> read(std::string_view json);
    // The same, of JSON that JsonChecker would take.
    Result<Events> read_checked(std::string_view json);
    Result<Event> read_event(std::string_view json);

    Result<Event> read_cloud_event(std::string_view json);
    Result<Events> read_cloud_batch(std::string_view json);

    struct Attribute {
        std::string_view name;   // without `ce-`, in any case
        std::string_view value;  // as in the header, percent-encoded
    };
    Result<Event> read_binary(std::span<const Attribute> attributes, std::string_view body);

 private:
    enum class Dialect { kOwn, kCloud };
    class Source;
    enum class Takes { kOne, kList, kBoth };
    Result<Events> check_and_read(std::string_view json, Dialect dialect, Takes takes);
    Result<Events> read_any(std::string_view checked, Dialect dialect, Takes takes);

    ReadLimits limits_;
    JsonChecker checker_;
};

}  // namespace eventbus
