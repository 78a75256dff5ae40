#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "log/offset.h"

namespace eventbus {

// The epochs of one log, each with the position at which it ended: where a position was given, and
// whether an offset is of this log at all.
//
// Each start of a log begins a new epoch. A log that was restored from a backup, or copied, goes on
// in an epoch of its own. So what the other branch has written since is of an epoch that is not in
// this list, or lies above the end of the last one that both have.
//
// Thread:  any; it does not change.
// Bounded: kPastMax epochs that ended. At the bound the oldest is forgotten: an offset that was
// made
//          in it is unknown from then on, and its positions count to the next one.
// Invariants:
//   (1) Ends do not fall, and the current epoch has none.
//   (2) An offset made by offset_of() is of every log that shares what is up to its position.
class Epochs {
 public:
    static constexpr std::size_t kPastMax = 4096;

    struct Past {
        std::string name;
        Position end;  // nothing above it was given in this epoch

        friend bool operator==(const Past&, const Past&) = default;
    };

    explicit Epochs(std::string current, std::vector<Past> past = {});

    const std::string& current() const { return current_; }
    const std::vector<Past>& past() const { return past_; }  // oldest first
    // The oldest that is known.
    const std::string& first() const { return past_.empty() ? current_ : past_.front().name; }

    // The epoch in which `position` was given, or would be.
    const std::string& of(Position position) const;
    Offset offset_of(Position position) const { return {of(position), position}; }

    // Whether the offset is of this log: of an epoch in the list, and not above its end. It may be
    // ahead of what is visible.
    bool holds(const Offset& offset) const;

    // The last position that this log shares with `other`: what lies above it was written in one of
    // them only. kEndOfTime if they are the same log.
    Position shared_with(const Epochs& other) const;

    // The same log, in a new epoch: the current one has ended at `end`.
    Epochs next(std::string name, Position end) const;

    friend bool operator==(const Epochs&, const Epochs&) = default;

 private:
    // Nothing above it was given in this epoch; none if it is not in the list.
    std::optional<Position> end_of(std::string_view epoch) const;

    std::string current_;
    std::vector<Past> past_;
};

// A name for a new epoch, [a-z0-9]{8}.
std::string make_epoch(Random& random);

// As they are stored (log/bytes.h): a string, the name of the current one; then of each that ended,
// oldest first, its end as 8 bytes, and a string, its name.
std::string encode_epochs(const Epochs& epochs);
// Errors: kUnavailable, the bytes are damaged.
Result<Epochs> decode_epochs(std::string_view bytes);

}  // namespace eventbus
