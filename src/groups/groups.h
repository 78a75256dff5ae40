#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/owner_thread.h"
#include "base/random.h"
#include "base/result.h"
#include "groups/group.h"
#include "groups/group_key.h"
#include "groups/group_names.h"
#include "groups/group_store.h"
#include "groups/ledger.h"
#include "groups/member.h"
#include "groups/probe.h"
#include "groups/settings.h"
#include "log/entry.h"
#include "log/log.h"
#include "log/log_reader.h"
#include "log/view.h"

namespace eventbus {

// What a new member is told.
struct GroupJoined {
    Position cursor;    // the group has given out every event up to here
    std::string owner;  // the service to which the group's name belongs
};

// The groups whose home is this reactor. A view of the log, with a place of its own: it takes
// entries from the tail, reads the log where the tail no longer reaches, gives events out, and
// writes down what it did before anybody sees it.
//
// Thread:  reactor (asserted), but the constructor. Outlives the last task that its reactor runs.
// Bounded: by GroupSettings; one write and, for each group, one read are under way at most.
// Cost:    an entry costs a look-up by type and O(groups that match); an ack O(log in flight).
// While
//          nothing is in flight there is no timer but for what is rare (cursors, idle groups).
// Invariants:
//   (1) A delivery leaves after it was written that its event is in flight; the answer that an ack
//       was taken leaves after it was written. So after kill -9 an event comes again only if its
//       ack got no such answer, and with an attempt above every one that was seen.
//   (2) Each group sees every visible entry of its topic once, in order, whichever way it reads.
//       What it does not see is counted: durable events that retention took, and transient ones
//       that fell out of the tail.
//   (3) While the store takes no writes, nothing is given out, and every request is refused, those
//       that waited for a write that failed too: with kUnavailable while that may pass, else with
//       kReadOnly. What was refused so late may have happened; who was to become a member is none.
//   (4) A member's time runs out only once every answer that had come by then, to whichever
//       reactor, was seen; and not while the store takes no writes.
class Groups final : public View {
 public:
    struct Context {
        Log& log;
        LogReader& reader;  // its own
        GroupStore& store;
        Clock& clock;
        Random& random;
        Executor& reactor;  // on which all of this runs
        // What there is, each time that a group began or ended. May be empty.
        std::function<void(GroupProbes)> on_listed = {};
        // That a group began or ended. May be empty.
        std::function<void(const GroupKey&, bool exists)> on_exists = {};
    };

    // `stored`: those of GroupStore::load() that live here (home_of). Before the reactor runs.
    Groups(Context context, GroupSettings settings, std::vector<StoredGroup> stored);
    ~Groups() override;
    Groups(const Groups&) = delete;
    Groups& operator=(const Groups&) = delete;

    // ---- what members ask; `done` is posted to `reply_to` -----------------------------------

    // Makes the group, from the frontier on, if there is none. A second call of a member changes
    // its terms. `claim`: of the group's name, for this member.
    // Errors: kBadRequest, kBadTopic, kTooMany (groups_max, members_max), kUnavailable, kReadOnly.
    void subscribe(const GroupMember& member, const GroupNames::Claim& claim, Executor& reply_to,
                   Callback<Result<GroupJoined>> done);

    // The group's name belongs to the service `name_owner` from now on: members of others that the
    // catalog does not admit are put out. That there is no such group is no error.
    void take_over(const GroupKey& group, const std::string& name_owner);

    // What the catalog of now says of GroupMember::is_admitted. Who is not admitted, and not of the
    // service to which the name belongs, is put out. Not to be a member is no error.
    void set_admitted(MemberId member, const GroupKey& group, bool is_admitted);

    // The member gets no new events of this group; it may still answer what it has, all of
    // which it got before `done`. Not to be a member is no error, nor that the store takes no
    // writes.
    void unsubscribe(MemberId member, const GroupKey& group, Executor& reply_to,
                     Callback<Result<>> done);

    // The member has lost the right to this group: what it had goes to others.
    void end_membership(MemberId member, const GroupKey& group);

    // The socket is gone: what it had goes to others, of every group.
    void member_gone(MemberId member);

    // `done` may be empty.
    // Errors: kNotFound (no longer this member's), kUnavailable, kReadOnly.
    void ack(MemberId member, const DeliveryId& delivery, Executor& reply_to,
             Callback<Result<>> done);

    // Gives the event out again after `delay`, by default after the back-off. Errors as of ack.
    void nack(MemberId member, const DeliveryId& delivery,
              std::optional<std::chrono::milliseconds> delay, Executor& reply_to,
              Callback<Result<>> done);

    // An operator ends the group: its members are told, and nothing is kept of it.
    // Errors: kNotFound, kUnavailable, kReadOnly.
    void remove(const GroupKey& group, Executor& reply_to, Callback<Result<>> done);

    // ---- what the reactor calls ---------------------------------------------------------------

    // View: takes what is new in the log, and does what is due.
    Next deliver() override;

    // ---- questions ----------------------------------------------------------------------------

    // One group as an operator sees it.
    struct Status {
        GroupKey key;
        std::string owner;  // the service for which it counts
        Position cursor;
        std::uint64_t lag = 0;
        std::size_t members = 0;
        std::size_t in_flight = 0;
        std::size_t waiting = 0;
        GroupTotals totals;
    };
    std::vector<Status> statuses() const;
    // Any thread.
    const GroupsProbe& probe() const { return probe_; }
    bool is_writable() const { return probe_.store_on_hold.get() == 0; }

 private:
    struct Home;
    using SharedHome = std::shared_ptr<Home>;

    void restore(StoredGroup stored);
    void tell_of_set_back(Home& home, Position from);
    Home* find(const GroupKey& key);
    Home& add(GroupKey key, Position cursor);
    Result<Home*> join(const GroupMember& member);
    Result<Home*> make(const GroupKey& key);
    static void set_name_owner(Home& home, const std::string& name_owner);
    void put_out_stranger(Home& home, MemberId member);
    void put_out(Home& home, MemberId member, const Error& reason);
    void forget_member(Home& home, MemberId member);
    void end(Home& home, const Error& reason);
    template <class GiveAnswer>
    void settle(const DeliveryId& delivery, Executor& reply_to, Callback<Result<>> done,
                GiveAnswer&& give_answer);
    static void answer(Executor& reply_to, Callback<Result<>> done, Result<> result);

    bool read_tail();
    void on_entry(const SharedEntry& entry);
    const std::vector<Home*>& matching(const std::string& type);
    bool read_on(Home& home);
    bool read_on_in_tail(Home& home);
    void on_page(Home& home, Result<Page> page);
    bool load_retries(Home& home);
    bool load_retries_of_tail(Home& home, Group::Span span);
    void on_retries(Home& home, Position first, Result<Page> page);
    void tell_of_loss(Home& home, const Backlog::Count& gone);
    void pause(Home& home);

    void touch(Home& home);
    void pump();
    void serve(Home& home);
    void give_out(Home& home);
    void record(Home& home);
    StoredState state_of(const Home& home) const;
    void record_places();
    void on_sent(const std::vector<GroupDelivery>& deliveries);
    void on_ledger_state(std::optional<Clock::Time::duration> held);

    void run_due(Clock::Time now);
    std::optional<Clock::Time> next_due() const;
    void arm(Home& home);
    void set_alarm(Home& home, Clock::Time at);
    void on_alarm(Home& home, Clock::Time now);
    void ask_for_inputs(Clock::Time now);
    void on_inputs_seen();
    void watch_for_stall(Home& home);
    void tell_of_fullness(Home& home);
    void note_idle(Home& home);
    std::optional<Clock::Time> idle_alarm(const Home& home) const;

    void want_all(bool on);
    void report(Home& home);
    void list();

    Context context_;
    const GroupSettings settings_;
    GroupsProbe probe_;
    Ledger ledger_;
    StringMap<SharedHome> homes_;            // by "name:topic"
    StringMap<std::vector<Home*>> by_type_;  // what matching() found, cleared when full
    std::unordered_map<MemberId, std::vector<Home*>> memberships_;
    std::vector<Home*> touched_;  // may have something to do: for the next pump
    Position fed_through_;        // the tail was read up to here
    bool wants_all_ = false;

    std::set<std::pair<Clock::Time, Home*>> alarms_;
    std::optional<Clock::Time> records_at_;  // the places of those that did nothing else

    // Time-outs, one round at a time: each reactor with members says that it has seen all answers.
    std::vector<MemberWay> ways_;      // all that ever had a member
    std::vector<SharedHome> overdue_;  // for the next round
    std::vector<SharedHome> judged_;   // of this round
    Clock::Time judged_at_{};
    std::size_t asked_ = 0;  // reactors that have not answered

    OwnerThread owner_;
};

}  // namespace eventbus
