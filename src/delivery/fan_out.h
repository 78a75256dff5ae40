#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "delivery/frame_cache.h"
#include "delivery/members.h"
#include "delivery/probe.h"
#include "delivery/shown.h"
#include "log/log_reader.h"

namespace eventbus {

// How long live entries may wait for others, to leave with them in one write. The first after a
// silence does not wait, nor do those that stand before one that may not.
struct Coalesce {
    std::chrono::milliseconds all{0};
    std::chrono::milliseconds latest{0};  // of types that are `latest`, if it is longer
};

// Gives what becomes visible to the members that are live.
//
// Entries in a row that go to the same rooms are a run: each member is visited once for all of it.
// A run that is too much for a turn goes on in the next, and the writes wait until it has ended.
// The steps of a turn, until there is no more to do: read() begins a run, aim() says whom it goes
// to, walk() gives it.
//
// Thread:  reactor.
// Bounded: a turn makes about kPushesPerTurn pushes. Between two writes a member is given at most
//          about kBatchBytes, so that one that reads is not taken for slow, and all together
//          kBatchPushes.
// Invariant: a run pins the members: what would change a room ends it first.
class FanOut {
 public:
    static constexpr std::size_t kRunEntries = 64;
    static constexpr std::size_t kPushesPerTurn = 1'024;  // up to a millisecond, if all is cold
    static constexpr std::size_t kPushesOfEntry = 1;      // what reading one counts for
    static constexpr std::size_t kPatternsOfPush = 8;     // that are compared with its type
    static constexpr std::size_t kBatchPushes = 1 << 18;  // of 16 bytes
    static constexpr std::size_t kBatchBytes = 256 * 1024;

    struct Context {
        const Clock& clock;
        LogReader& reader;
        Members& members;
        FrameCache& frames;
        DeliveryProbe& probe;
    };
    FanOut(Context context, Coalesce coalesce);

    void begin_turn();
    // False: what there is waits for company or for the next turn, or must be written first.
    bool may_go_on() const;
    bool is_amid_run() const { return !run_.entries.empty(); }
    // The first entry of the next run, or null: there is none.
    const Entry* read();
    // Once who is in which room is as that entry wants it. Returns the run.
    std::span<const SharedEntry> aim();
    void walk();
    // Gives all of the run that is under way.
    void end_run();

    // The run is under way and the writes should wait for it.
    bool end_turn();
    // Not all that is visible was read, and it does not wait.
    bool has_more();
    // When to look again at what waits for company, if it does. As long as it does, this becomes
    // no earlier.
    std::optional<Clock::Time> waits_until() const { return waits_until_; }

    // Everything up to here was given to those that are live.
    Position given_through() const;

 private:
    struct Run {
        std::vector<SharedEntry> entries;
        std::vector<LocalTarget> targets;
        std::size_t target = 0;  // the next
        std::size_t place = 0;   // of its next member
        bool is_aimed = false;
    };
    struct Encoded {
        Encoder* encoder;
        std::vector<SharedFrame> frames;  // of the run's entries, for its target
    };

    std::optional<Clock::Time> wait_at(Clock::Time now);
    bool goes_with_run(const Entry& entry) const;
    void walk_run(std::size_t pushes_max);
    bool walk_room(const LocalTarget& target, std::size_t pushes_max);
    std::uint64_t give_as_joined(ReceiverId id);
    std::span<const SharedFrame> frames_of_run(const LocalTarget& target, Encoder& encoder);
    static void prefetch(const Members& all, std::span<const Rooms::Membership> members,
                         std::size_t place);

    const Context context_;
    const Coalesce coalesce_;
    Run run_;                       // under way if it has entries
    std::vector<Encoded> encoded_;  // of the run, for its target
    Clock::Time live_at_{};         // when the last run had been given
    std::optional<Clock::Time> waits_until_;
    std::size_t pushes_ = 0;        // in this turn
    std::size_t batch_pushes_ = 0;  // since the last writes
    std::size_t batch_bytes_ = 0;   // for one member that gets all
    bool writes_wait_ = false;
    bool in_room_ = false;  // its members are being gone over
};

}  // namespace eventbus
