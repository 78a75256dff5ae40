#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace eventbus {

// The JSON of a packet, read once and only as far as the wire needs it: is it JSON to the last byte
// (RFC 8259), and where are the elements of its array. What JSON.parse of a browser takes, this
// takes too, and so lets more pass than JsonChecker: keys twice, halves of surrogate pairs written
// as `\ud83d`, integers of any size. Who reads a slice, and does not only pass it on, checks it
// with JsonChecker, unless the scan saw that it is strict.
//
// Bounded: kJsonScanLevelsMax levels; no memory but `elements`.
// Cost:    linear, about 1 ns a byte.
inline constexpr std::size_t kJsonScanLevelsMax = 1024;
inline constexpr std::size_t kScannedKeysMax = 32;

enum class JsonKind : std::uint8_t { kObject, kArray, kString, kNumber, kWord };

struct JsonScan {
    const char* fault = nullptr;  // what is wrong; then the rest says nothing
    JsonKind kind = JsonKind::kWord;
    // JsonChecker would take each slice of it, too; false: it has to be asked. What is rare in an
    // event makes it false: \u escapes, long numbers and those with exponents, escapes in keys,
    // more than kScannedKeysMax keys of open objects, and of course what JsonChecker refuses.
    bool is_strict = false;
};

// Scans `text`, which is UTF-8. Of an array, appends the slice of each element to `elements`,
// without the spaces around it. With `attachments`, each {"_placeholder":true,"num":N} in it must
// name one of so many: 0 <= N < *attachments.
JsonScan scan_json(std::string_view text, std::vector<std::string_view>& elements,
                   std::optional<std::size_t> attachments = std::nullopt);

}  // namespace eventbus
