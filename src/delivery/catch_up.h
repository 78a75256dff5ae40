#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "delivery/behind.h"
#include "delivery/frame_cache.h"
#include "delivery/members.h"
#include "delivery/probe.h"
#include "delivery/shown.h"
#include "delivery/sought_rooms.h"
#include "log/log.h"
#include "log/log_reader.h"

namespace eventbus {

// Gives those that are behind what they are owed, by page and not by member.
//
// They stand sorted by place. A page (what was read of the log, or some entries of the tail's
// memory) is gone over once, and each entry is given to whoever of those that stand on the page it
// is for. Whoever has no room for an entry waits in front of it until drained(). What a member is
// given in one turn is one write, so of many who are owed much of a page some go over it after the
// others. Pages are taken in turns: upwards from the last, so that those far behind move together;
// and the one that stands next to the tail, so that little backlogs do not wait for large ones.
//
// Receivers are called within take_turn() only.
//
// Thread:  reactor.
// Bounded: kReadsMax pages on their way or here, of kPageEntries, and one inquiry, for about
//          kInquiryRooms rooms; a turn does work for about kWorkPerTurn and takes about kTurnMax,
//          and one walk over those that stand on a page; of a member that is behind it holds its
//          stretches and losses, of which it has one a room at most. What members are owed waits
//          in the log.
// Cost:    a page costs O(its entries × their rooms here) and O(those that stand on it).
// Invariants:
//   (1) A member that is behind is in one list at most, which says what it waits for.
//   (2) A member in a walk has been given everything before the walk's page.
//   (3) A page that cannot be read now is read again after a pause. Only what retention took is a
//       gap, and only for whom it could have been: a type that was lost matches a pattern that it
//       watches, or the log cannot rule out that it went to one of its rooms, which is asked by a
//       read for these rooms (an inquiry). What such a read brings serves nobody else.
//   (4) A page is read for the rooms of all that are behind then, and serves only those that were,
//       in no room since.
class CatchUp {
 public:
    static constexpr std::size_t kWorkPerTurn = 8'192;
    static constexpr std::size_t kWorkOfPush = 8;  // in looks at a member; so 1,024 pushes
    static constexpr std::size_t kWorkOfEntry = 2;
    static constexpr std::size_t kPatternsOfWork = 8;  // that are compared with a type
    static constexpr std::size_t kTailEntries = 256;   // that are one page
    static constexpr std::size_t kAtOnceMin = 4;       // members that go over a page together
    static constexpr std::size_t kReadsMax = 2;
    static constexpr std::size_t kInquiryRooms = 4'096;
    static constexpr std::size_t kEntriesPerLook = 8;  // at the clock
    // Each of this size is followed by a look: it may have been compressed, at 40 ns a byte.
    static constexpr std::size_t kLargeEntryBytes = 4'096;
    static constexpr auto kTurnMax = std::chrono::milliseconds(2);
    static constexpr auto kPauseMin = std::chrono::milliseconds(10);
    static constexpr auto kPauseMax = std::chrono::seconds(1);

    struct Context {
        Executor& reactor;
        const Clock& clock;
        Log& log;
        const LogReader& reader;
        Members& members;
        FrameCache& frames;
        DeliveryProbe& probe;
    };
    explicit CatchUp(Context context) : context_(context), sought_(context.log) {}

    // The calls of Hub. `live`: where a member that is live stands.
    void resume(ReceiverId id, Position after);
    bool send_history(ReceiverId id, const Room& room, Position after, Position live);
    // Retention took entries after `after` before the live ones were read: whoever is live comes to
    // them by pages, which tell what was lost. The run has been read and not been given yet.
    void miss(Position after);
    void lose(ReceiverId id, std::string_view subject, Position at, Position live);
    void release(ReceiverId id);
    void drained(ReceiverId id);
    void joined(ReceiverId id, const Room& room);
    // It is in a room from an earlier place on.
    void joined_earlier(ReceiverId id);
    // It is in the room no longer.
    void left(ReceiverId id, const Room& room);
    // It is about to be removed.
    void forget(ReceiverId id);

    // True: there is more to do.
    bool take_turn();

    // When to take a turn even if nothing happens until then: a page is to be read again.
    std::optional<Clock::Time> waits_until() const;

 private:
    using List = std::vector<ReceiverId>;
    struct Reading {
        Position after;
        std::size_t limit = 0;
        bool is_upwards = false;
        std::uint64_t number = 0;  // of those that began; without wanted rooms: the highest
    };
    struct ReadPage {
        Reading reading;
        Page page;
    };
    // Whether what was lost could have been for one of these. If it could, they are asked about in
    // halves, down to one.
    struct Inquiry {
        List members;
        std::size_t asked = 0;     // of them, some may have gone
        std::uint64_t losses = 0;  // Page::losses that it is about
        std::optional<Result<Page>> answer;
    };
    // A page that is being gone over.
    struct Walk {
        Position through;
        std::vector<SharedEntry> entries;
        std::size_t next = 0;  // of entries
        List members;
        bool is_of_log = false;
        std::size_t work = 0;  // that it took up to `next`, before any were put aside
        List aside;            // have all before `aside_from`; their turn comes after `members`
        std::size_t aside_from = 0;
        std::size_t at_once = 0;  // of those aside
    };

    Behind& be_behind(ReceiverId id, Position at);
    void end_behind(ReceiverId id);
    void look_at_again(ReceiverId id);
    void move(ReceiverId id, Behind::Waits waits);
    void link(ReceiverId id, List& list);
    void unlink(ReceiverId id);
    void settle_all();
    void settle(ReceiverId id);
    void be_live(ReceiverId id);

    bool begin_walk();
    bool begin_walk_of_page();
    bool begin_walk_of_tail();
    void begin_walk(Position after, Position through, std::vector<SharedEntry> entries,
                    std::uint64_t reading = kOfAll);
    void look_for_losses(const Page& page);
    bool matches_pattern(ReceiverId id, const std::vector<Lost>& lost) const;
    bool add_rooms(ReceiverId id, std::vector<std::uint64_t>& keys) const;
    void tell_lost(ReceiverId id, Position through);
    void inquire();
    void on_inquiry_answered();
    std::optional<Position> next_in_tail() const;
    std::vector<SharedEntry> entries_of_tail(Position after, Position& through);
    void go_on();
    void look_at_clock();
    void put_aside();
    bool give_to_all(const Entry& entry);
    void give(ReceiverId id, const Entry& entry);
    void end_walk();

    void read_pages();
    std::optional<Position> next_to_read();
    bool is_being_read(Position at) const;
    void read_page(Position after);
    void on_page(Position after, Result<Page> page);
    void read_again_later();
    Position end_of_pages() const;

    static constexpr std::uint64_t kOfAll = ~std::uint64_t{0};

    const Context context_;
    SoughtRooms sought_;
    List to_settle_;
    std::map<Position, List> standing_;
    std::optional<Walk> walk_;
    std::vector<LocalTarget> targets_;  // of its next entry
    std::size_t work_left_ = 0;         // in this turn
    Clock::Time turn_ends_;
    Position tail_from_;  // where the next page of the tail begins, if somebody stands there

    List unsure_;  // kForLosses, and in no inquiry
    std::optional<Inquiry> inquiry_;
    std::size_t inquiry_max_ = kInquiryRooms;  // members; fewer after one that had to be split
    std::uint64_t losses_ = 0;                 // of the page that knew most of them
    Position lost_through_;                    // the same

    std::vector<Reading> readings_;  // on their way, or in pages_
    std::uint64_t readings_begun_ = 0;
    std::deque<ReadPage> pages_;
    Position pages_from_;       // as tail_from_, for those of the log
    bool upwards_next_ = true;  // of the two ways to take the next page
    bool page_next_ = true;     // else one of the tail
    Clock::Time::duration pause_ = kPauseMin;
    std::optional<Clock::Time> read_again_at_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eventbus
