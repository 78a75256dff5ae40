#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "admission/session_store.h"

namespace eventbus {

// The values of a session (log/bytes.h says what a number and a string are). Of one that has only
// begun there is the record; what changes is written by itself, and counts instead of what the
// record says.
//
//   record version (1 byte, 3), strings principal, sid, a number started_at, a string offset_before
//          (empty: none), a `where` as a string, and the rooms of people: their count, then
//          each one's key and its `room` as strings
//   where  expires (8 bytes, ms of the time of sessions; 0: its socket is connected), a string
//          epoch, numbers place.given, place.clear; if one of them is there, also received and
//          unknown_behind, as those of a room; then taken_over_at, if that is there
//   room   a number at; if something is owed or the room has ended, also owed_after, given_behind
//          and ended_behind: 0 if there is none, else the place + 1; then so hidden_after and
//          entered_at, up to the last of the two that is there
//
// The release before kept all in one, whose first byte is 1: expires (8 bytes), strings principal,
// sid, a number started_at, and rooms: their count, then each room's key as a string, and the place
// as a number.
std::string encode_record(const SessionRecord& record);  // but for the rooms of its topics
std::string encode_where(const SessionChange::At& at, std::int64_t expires_ms);
std::string encode_room(const JoinedRoom& joined);

// Each false, or none: the bytes are not such a value.
bool decode_record(std::string_view bytes, SessionRecord& record);
bool decode_where(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms);
std::optional<JoinedRoom> decode_room(std::string_view key, std::string_view bytes);
bool decode_whole(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms);

}  // namespace eventbus
