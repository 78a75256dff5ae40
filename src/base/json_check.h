#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace simdjson::dom {
class element;
}

namespace eventbus {

// Checks JSON whole, so that slices of it can be passed on as they are: RFC 8259 to the last byte,
// at most kJsonDepthMax levels, no key twice in an object (two readers would see two values), no
// lone surrogates, no integers beyond 64 bits.
//
// Thread:  one at a time; one checker a reactor.
// Bounded: the caller bounds the text. Buffers of 14 times the largest recent text stay, but none
//          for more than kJsonKeptBytes of text.
// Cost:    linear (objects of more than 8 keys: n log n); 250 bytes take about 0.3 µs.
inline constexpr std::size_t kJsonDepthMax = 64;
inline constexpr std::size_t kJsonKeptBytes = 64 * 1024;

class JsonChecker {
 public:
    JsonChecker();
    JsonChecker(JsonChecker&&) noexcept;
    JsonChecker& operator=(JsonChecker&&) noexcept;
    ~JsonChecker();

    // Errors: kBadRequest; the detail says what is wrong.
    Result<> check(std::string_view text);

    // The same, and the document, for .cpp files that include simdjson. It and all strings of it
    // live until the next call.
    Result<simdjson::dom::element> parse(std::string_view text);

 private:
    struct Buffers;
    std::unique_ptr<Buffers> buffers_;
};

}  // namespace eventbus
