#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace eventbus {

// A named set of sockets. People's rooms (user, role, everyone) and subjects' rooms are separate
// name spaces; a pattern's room holds the services that watch a type pattern without a group.
class Room {
 public:
    static Room user(std::string_view id) { return Room("u:", id); }
    static Room role(std::string_view name) { return Room("r:", name); }
    static Room everyone() { return Room("e", {}); }
    static Room subject(std::string_view subject) { return Room("s:", subject); }  // "photo:123"
    static Room pattern(std::string_view pattern) { return Room("p:", pattern); }  // "photo.*"

    // A room as key() wrote it: for what was stored.
    static Room from_key(std::string key) { return Room(std::move(key)); }

    const std::string& key() const { return key_; }
    bool is_subject() const { return key_.starts_with("s:"); }
    bool is_pattern() const { return key_.starts_with("p:"); }
    bool is_of_people() const { return !is_subject() && !is_pattern(); }

    // What follows the kind: the user's id, the role, the subject, the pattern.
    std::string_view name() const { return std::string_view(key_).substr(key_.size() < 2 ? 1 : 2); }

    friend auto operator<=>(const Room&, const Room&) = default;

 private:
    Room(std::string_view kind, std::string_view name) {
        key_.reserve(kind.size() + name.size());
        key_.append(kind).append(name);
    }
    explicit Room(std::string key) : key_(std::move(key)) {}

    std::string key_;
};

struct RoomHash {
    using is_transparent = void;
    std::size_t operator()(const Room& room) const {
        return std::hash<std::string_view>{}(room.key());
    }
};

}  // namespace eventbus
