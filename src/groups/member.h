#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/executor.h"
#include "groups/group.h"
#include "groups/group_key.h"
#include "log/entry.h"

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

// Seam: where a reactor's members get their events. One for each reactor, for the life of the
// process; it finds the socket by the member's id, and drops what is for a socket that is gone (its
// member_gone is on the way). On the reactor that the member named.
class GroupReceiver {
 public:
    virtual ~GroupReceiver() = default;

    // In order; retries stand before newer events.
    virtual void deliver(const GroupDelivery& delivery) = 0;

    // The member is no longer one of this group, for this reason. What it had goes to others.
    virtual void on_membership_ended(MemberId member, const GroupKey& group,
                                     const Error& reason) = 0;

    // Runs `done` once every answer that had come to this reactor by `until` was passed on.
    virtual void when_seen(Clock::Time until, Task done) = 0;
};

// The way to a member.
struct MemberWay {
    Executor* reactor = nullptr;        // where the member lives; outlives Groups
    GroupReceiver* receiver = nullptr;  // of that reactor; outlives Groups
};

// Who wants to be a member of which group.
struct GroupMember {
    MemberId id{};
    GroupKey group;
    std::string service;       // whose it is
    bool is_admitted = false;  // the catalog lets it into groups of this name that are not its own
    MemberTerms terms;
    MemberWay way;
};

}  // namespace eventbus
