#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "log/entry.h"

namespace eventbus {

// An entry as bytes, for a disk or a wire; its position is the key under which it is stored.
//
//   version      1 byte, 1
//   flags        1 byte: 1 latest, 2 has_client_id, 4 unowned, 8 transient; the others are 0
//   content_hash 8 bytes, big-endian
//   age, bytes   of the retention, two numbers
//   strings      id, type, source, subject, time, traceparent, data, name, publisher
//   variants     their count, then a string each
//   deliveries   their count, then each room's key as a string, and the variant as a number
//   evictions    their count, then the subject and the room's key, two strings each
//
// A number is 7 bits a byte, least first, the high bit set in all but the last byte, and as short
// as can be. A string is its length as a number, then its bytes. There are no checksums: who stores
// the bytes has some. A newer version is another first byte; an older server refuses it.
std::string encode_entry(const Entry& entry);

// `published_at` is left empty.
// Errors: kInternal, the bytes are no entry of a version that is known.
Result<Entry> decode_entry(Position position, std::string_view bytes);

}  // namespace eventbus
