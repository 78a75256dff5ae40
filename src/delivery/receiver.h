#pragma once

#include <cstdint>
#include <string_view>

#include "base/frame.h"
#include "log/entry.h"

namespace eventbus {

// Seam: makes the bytes that one kind of client gets for an entry. Reactor; pure.
class Encoder {
 public:
    // What an entry is to the client that gets it.
    class As {
     public:
        // A live event or a resumed one: it ends in the socket's place.
        static As in_order() { return {}; }
        // Asked for, behind the socket's place. `topic`: what it says it is of; empty: nothing.
        static As history(std::string_view topic = {}) { return As(topic); }

        bool is_history() const { return is_history_; }
        std::string_view topic() const { return topic_; }
        friend bool operator==(const As&, const As&) = default;

     private:
        As() = default;
        explicit As(std::string_view topic) : is_history_(true), topic_(topic) {}

        bool is_history_ = false;
        std::string_view topic_;
    };
    virtual ~Encoder() = default;
    virtual SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) = 0;
};

// Seam: a client that gets entries: a socket, a stream. Reactor.
class Receiver {
 public:
    virtual ~Receiver() = default;

    // Takes a frame into its bounded queue. False: it is gone, or too slow and being closed.
    virtual bool push(const SharedFrame& frame) = 0;

    // Fetches what push() will touch into the cache: the first (0), the second, … link of the way
    // to its queue, if it has so many, each while others get theirs.
    virtual void prefetch(int /*link*/) const {}

    // Whether it should be given more of what it has missed now; when its queue has drained it says
    // so by Hub::drained().
    virtual bool has_room() = 0;

    // Whether the events of its histories say of which topic they are.
    virtual bool wants_topics() const { return false; }

    // All that it has missed was pushed: `missed` entries.
    virtual void on_caught_up(std::uint64_t missed) = 0;

    // Durable entries after `from`, up to `to`, may be gone by retention.
    virtual void on_gap(Position from, Position to) = 0;

    // All of a history that was asked for was pushed.
    virtual void on_history_given(const Room& room) = 0;

    // The entry at `at` takes, or may take, a right to watch `subject` away from it. It is given
    // nothing from there on until its owner has asked, after this call, whether it has the right in
    // another way, and has called Hub::keep() or Hub::leave(), and then Hub::release().
    virtual void on_evicted(std::string_view subject, Position at) = 0;
};

}  // namespace eventbus
