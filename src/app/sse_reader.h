#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace eventbus {

// One event of a text/event-stream.
struct SseEvent {
    std::string id;    // the last one that the stream has named
    std::string name;  // "message" by default
    std::string data;  // lines joined by line feeds
};

// Reads an event stream (HTML Living Standard, 9.2.6), however it is cut.
//
// Thread:  one at a time.
// Bounded: a line and an event's data by `bytes_max`; what is longer ends the stream.
class SseReader {
 public:
    explicit SseReader(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    // Calls `visit` for each event that is whole now. False: an event was too long.
    bool feed(std::string_view bytes, const std::function<void(const SseEvent&)>& visit);

    // Where the stream has come to: its last id, also one without an event. Empty: there was none.
    const std::string& place() const { return place_; }

 private:
    void take_line(std::string_view line, const std::function<void(const SseEvent&)>& visit);

    const std::size_t bytes_max_;
    std::string line_;  // begun, not ended
    bool after_return_ = false;
    bool has_data_ = false;
    SseEvent event_;
    std::string place_;
};

}  // namespace eventbus
