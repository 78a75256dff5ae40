#pragma once

#include <cstddef>
#include <string_view>

namespace eventbus {

// Walks through JSON as text and says where its values begin and end; so what is passed on as it
// was written needs no document. The JSON has been checked whole (JsonChecker): nothing is checked
// here, and what is malformed gives slices that mean nothing, though within the text.
//
//     JsonWalk walk(R"({"type":"a","data":{"n":1}})");
//     for (walk.enter(); !walk.is_at_end();) {
//         const std::string_view key = walk.take_key();      // "type" with its quotes, then "data"
//         const std::string_view value = walk.take_value();  // "a" with its quotes, then {"n":1}
//     }
//
// Thread:  one at a time.
// Cost:    linear in what is walked over; no allocation.
class JsonWalk {
 public:
    // Before the first value of `checked`, which outlives this and all slices of it.
    explicit JsonWalk(std::string_view checked) : text_(checked) { skip_space(); }

    // Into the object or the array that comes next.
    void enter() { step(); }

    // Whether nothing comes any more in what was entered last.
    bool is_at_end() const { return peek() == '}' || peek() == ']' || peek() == '\0'; }

    // Out of what was entered last, at its end; then what follows it comes next.
    void leave() {
        step();
        skip_comma();
    }

    // The first character of what comes next, which tells its kind; NUL if nothing does.
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    // The key that comes next, with its quotes; then its value comes next.
    std::string_view take_key();

    // The value that comes next, without space around it; then what follows it comes next.
    std::string_view take_value();

 private:
    void step() {
        ++at_;
        skip_space();
    }
    void skip_space() {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
    void skip_comma() {
        if (peek() == ',') step();
    }
    void skip_string();
    void skip_scalar();
    void skip_nested();

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace eventbus
