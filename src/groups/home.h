#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "event/pattern.h"
#include "groups/groups.h"

namespace eventbus {

// One group, with what Groups keeps next to its state.
struct Groups::Home : std::enable_shared_from_this<Groups::Home> {
    // Who a member is, beyond what the group knows of it.
    struct Guest {
        MemberWay way;
        std::string service;
        bool is_admitted = false;
    };

    Home(SharedGroupKey shared_key, const GroupSettings& settings, Random& random, Position cursor)
        : key(std::move(shared_key)),
          group(settings, random, cursor),
          probe(std::make_shared<GroupProbe>(key)),
          counted_through(cursor) {}

    bool wants(const Entry& entry) const { return matches(key->topic, entry.event.type); }
    bool lets_in(const Guest& guest) const {
        return guest.is_admitted || guest.service == name_owner;
    }
    bool is_stored_as(const StoredState& state) const {
        return recorded && recorded->cursor == state.cursor && recorded->unread == state.unread;
    }

    const SharedGroupKey key;
    Group group;
    const std::shared_ptr<GroupProbe> probe;
    std::string owner;       // the service for which it counts; empty: not known
    std::string name_owner;  // to which its name belongs; empty: not known
    std::unordered_map<MemberId, Guest> guests;
    bool has_ended = false;
    bool touched = false;

    // ---- what it reads ----
    bool at_tail = false;      // has taken all that matches up to fed_through_
    Position counted_through;  // what matches up to here is read, or in the group's backlog
    bool reading = false;      // a page is under way
    bool loading = false;      // a page of retries is under way
    std::optional<Clock::Time> paused_until;  // the log gave nothing: asked again then
    std::optional<Clock::Time> told_of_loss;  // when

    // ---- what was written ----
    std::optional<StoredState> recorded;
    bool must_record = false;  // though no event changed

    // ---- time ----
    std::optional<Clock::Time> alarm;         // its place in alarms_
    bool is_overdue = false;                  // a round of time-outs is to judge it
    std::optional<Clock::Time> rests_since;   // with work, and a member that could do it
    Position rests_at;                        // what it had read then
    bool is_stalled = false;                  // that was told
    bool is_stopped = false;                  // as many wait as may; that was told
    std::optional<Clock::Time> idle_since;    // no member
    std::chrono::milliseconds idle_before{};  // in earlier lives of the process
    Clock::Time idle_recorded_at{};
};

}  // namespace eventbus
