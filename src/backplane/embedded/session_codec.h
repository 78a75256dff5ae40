#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "admission/session_store.h"

namespace eventbus {

// The values of a session, each written when it changes (log/bytes.h says what a number and a
// string are):
//
//   who    version (1 byte, 2), strings principal, sid, a number started_at; if the client showed
//          one, also a string offset_before
//   where  expires (8 bytes, ms of the time of sessions; 0: its socket is connected), a string
//          epoch, numbers place.given, place.clear; if one of them is there, also received and
//          unknown_behind, as those of a room
//   room   a number at; if something is owed or the room has ended, also owed_after, given_behind
//          and ended_behind: 0 if there is none, else the place + 1; then so hidden_after and
//          entered_at, up to the last of the two that is there
//
// The release before kept all in one, whose first byte is 1: expires (8 bytes), strings principal,
// sid, a number started_at, and rooms: their count, then each room's key as a string, and the place
// as a number.
std::string encode_who(const SessionRecord& record);
std::string encode_where(const SessionChange::At& at, std::int64_t expires_ms);
std::string encode_room(const JoinedRoom& joined);

// Each false, or none: the bytes are not such a value.
bool decode_who(std::string_view bytes, SessionRecord& record);
bool decode_where(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms);
std::optional<JoinedRoom> decode_room(std::string_view key, std::string_view bytes);
bool decode_whole(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms);

}  // namespace eventbus
