#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/owner_thread.h"
#include "base/random.h"
#include "base/result.h"
#include "groups/group.h"
#include "groups/group_key.h"
#include "groups/group_store.h"
#include "groups/probe.h"
#include "groups/settings.h"
#include "log/entry.h"
#include "log/log.h"

namespace eventbus {

// One event on its way to one member: `[name, data, meta, {offset, delivery, group, topic,
// attempt}]`. The data is the event's own, variant 0: services see all of it.
struct GroupDelivery {
    MemberId member{};
    SharedEntry entry;
    SharedGroupKey group;
    std::string delivery;  // what ack and nack name
    std::uint32_t attempt = 1;
};

// Seam: where a reactor's members get their events. One a reactor, for the life of the process; it
// finds the socket by the member's id, and lets fall what is for a socket that is gone (its
// member_gone is on the way).
class GroupReceiver {
 public:
    virtual ~GroupReceiver() = default;

    // On the reactor that the member named. In order; retries stand before newer events.
    virtual void deliver(const GroupDelivery& delivery) = 0;
};

// Who wants to be a member of which group.
struct GroupMember {
    MemberId id{};
    GroupKey group;
    std::size_t max_in_flight = 64;
    Executor* reactor = nullptr;        // where the member lives; outlives Groups
    GroupReceiver* receiver = nullptr;  // of that reactor; outlives Groups
};

// What a new member is told.
struct GroupJoined {
    Position cursor;  // the group has given out every event up to here
};

// The groups whose home is this reactor: takes entries from the tail while it keeps up, reads the
// log where it does not, gives events out, and writes down what it did before anybody sees it.
//
// Thread:  reactor (asserted), but the constructor. Outlives the last task that its reactor runs.
// Bounded: by GroupSettings; one write and, for each group, one read are under way at most.
// Cost:    an entry costs a look-up by type and O(groups that match); an ack O(log in flight).
// Invariants:
//   (1) A delivery leaves after it was written that its event is in flight; the answer to an ack
//       leaves after it was written. So after kill -9 an event comes again only if its ack was not
//       answered, and with an attempt above every one that was seen.
//   (2) Each group sees every visible entry of its topic once, in order, whichever way it reads.
//   (3) When the store fails nothing is given out any more and every request gets kReadOnly.
class Groups {
 public:
    struct Context {
        Log& log;
        GroupStore& store;
        Clock& clock;
        Random& random;
        Executor& reactor;  // on which all of this runs
        // Called when this reactor begins or ceases to need every entry of the tail (it must then
        // be woken for each: TailReader::want_all). May be empty.
        std::function<void(bool)> want_all = {};
    };

    // `stored`: those of GroupStore::load() that live here (home_of). Before the reactor runs.
    Groups(Context context, GroupSettings settings, std::vector<StoredGroup> stored);
    ~Groups();
    Groups(const Groups&) = delete;
    Groups& operator=(const Groups&) = delete;

    // ---- what members ask; `done` is posted to `reply_to` -----------------------------------

    // Makes the group, from the frontier on, if there is none. A second call of a member changes
    // its max_in_flight.
    // Errors: kBadRequest, kBadTopic, kTooMany (groups_max, members_max), kReadOnly.
    void subscribe(const GroupMember& member, Executor& reply_to,
                   Callback<Result<GroupJoined>> done);

    // The member gets no new events of this group; it may still answer what it has. Not to be a
    // member is no error.
    void unsubscribe(MemberId member, const GroupKey& group, Executor& reply_to,
                     Callback<Result<>> done);

    // The socket is gone: what it had goes to others, of every group.
    void member_gone(MemberId member);

    // `done` may be empty.
    // Errors: kNotFound (no longer this member's), kReadOnly.
    void ack(MemberId member, const DeliveryId& delivery, Executor& reply_to,
             Callback<Result<>> done);

    // Gives the event out again after `delay`, by default after the back-off. Errors as of ack.
    void nack(MemberId member, const DeliveryId& delivery,
              std::optional<std::chrono::milliseconds> delay, Executor& reply_to,
              Callback<Result<>> done);

    // ---- what the reactor calls ---------------------------------------------------------------

    // The next entry that the reactor's TailReader showed; each once, in order.
    void on_entry(const SharedEntry& entry);

    // After the entries of one turn; `cursor` is TailReader::cursor().
    void on_tail_read(Position cursor);

    // By a timer, each 100 ms: time-outs, retries, gauges.
    void tick();

    // ---- questions ----------------------------------------------------------------------------

    // One group as an operator sees it.
    struct Status {
        GroupKey key;
        Position cursor;
        std::uint64_t lag = 0;
        std::size_t members = 0;
        std::size_t in_flight = 0;
        GroupTotals totals;
    };
    std::vector<Status> statuses() const;
    // Any thread.
    const GroupsProbe& probe() const { return probe_; }
    bool is_writable() const { return probe_.write_failures.get() == 0; }

 private:
    struct Home;
    struct Write;

    void restore(StoredGroup stored);
    Home* find(const GroupKey& key);
    Home& add(GroupKey key, Position cursor);
    Result<Home*> join(const GroupMember& member);
    Result<Home*> make(const GroupKey& key);
    template <class Answer>
    void settle(const DeliveryId& delivery, Executor& reply_to, Callback<Result<>> done,
                Answer&& give_answer);
    void answer(Executor& reply_to, Callback<Result<>> done, Result<> result);
    void answer_when_written(Executor& reply_to, Callback<const Result<>&> done);

    const std::vector<Home*>& matching(const std::string& type);
    void read_on(Home& home);
    void on_page(Home& home, Result<Page> page);
    void note_lost(Home& home, const Page& page);
    void load_retries(Home& home);
    void on_retries(Home& home, Position first, Result<Page> page);

    void touch(Home& home);
    void pump();
    void give_out(Home& home);
    void record(Home& home);
    std::optional<Clock::WallTime> due_of(const Group::Flight& flight) const;
    void flush();
    void on_written(std::unique_ptr<Write> write, const Result<>& result);
    void stop();

    void update_interest();
    void want_all(bool on);
    void watch_for_stall(Home& home);
    void report(Home& home);
    std::uint64_t lag_of(const Home& home) const;

    Context context_;
    const GroupSettings settings_;
    StringMap<std::unique_ptr<Home>> homes_;  // by "name:topic"; a home is never taken away
    StringMap<std::vector<Home*>> by_type_;   // what matching() found, cleared when full
    std::unordered_map<MemberId, std::vector<Home*>> memberships_;
    std::vector<Home*> touched_;  // may have something to do: for the next pump
    Position fed_through_;        // the reactor has shown all entries up to here
    std::optional<Position> fed_at_last_tick_;
    std::unique_ptr<Write> building_;  // what leaves with the next write
    bool writing_ = false;
    bool writable_ = true;
    bool wants_all_ = false;
    std::size_t ticks_ = 0;
    GroupsProbe probe_;
    OwnerThread owner_;
};

}  // namespace eventbus
