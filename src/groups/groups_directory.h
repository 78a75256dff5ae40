#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "groups/group_names.h"
#include "groups/groups.h"

namespace eventbus {

// The way to a group from any reactor: brings a request to the group's home and the answer back.
// What changes who is a member goes over the first home, which knows to whom the names belong.
//
// Thread:  any, once all homes are added; answers come to the `reply_to` that was given, never
//          before the call returns. Requests of one thread to one group keep their order, so a
//          group is never subscribed to after member_gone; only an ack or a nack may come before
//          an older request, which it never needs.
class GroupsDirectory {
 public:
    struct Home {
        Executor* reactor = nullptr;
        Groups* groups = nullptr;
    };

    // `homes[i]` is reactor i; all outlive the directory's use.
    // `names` knows all stored groups.
    GroupsDirectory(std::vector<Home> homes, GroupNames names);

    // As Groups::subscribe.
    // Errors: besides, kForbidden: the name belongs to another service; kTooMany: the service has
    // as many groups as it may.
    void post_subscribe(GroupMember member, Executor& reply_to, Callback<Result<GroupJoined>> done);
    void post_unsubscribe(MemberId member, GroupKey group, Executor& reply_to,
                          Callback<Result<>> done);
    void post_end_membership(MemberId member, GroupKey group);
    void post_admitted(MemberId member, GroupKey group, bool is_admitted);

    // For each socket that ever subscribed to a group, once, when it is gone.
    void post_member_gone(MemberId member);

    // `delivery` as the member sent it, whatever it is. `done` may be empty.
    void post_ack(MemberId member, std::string_view delivery, Executor& reply_to,
                  Callback<Result<>> done);
    void post_nack(MemberId member, std::string_view delivery,
                   std::optional<std::chrono::milliseconds> delay, Executor& reply_to,
                   Callback<Result<>> done);

    void post_remove(GroupKey group, Executor& reply_to, Callback<Result<>> done);

    // For Groups::Context::on_exists.
    void post_exists(GroupKey group, bool exists);

    // Splits what GroupStore::load() returned by home, for the constructors of Groups.
    static std::vector<std::vector<StoredGroup>> split(std::vector<StoredGroup> stored,
                                                       std::size_t reactors);

 private:
    const Home& home(const GroupKey& group) const;
    Executor& names_reactor() const { return *homes_.front().reactor; }
    void subscribe(GroupMember member, Executor& reply_to, Callback<Result<GroupJoined>> done);

    const std::vector<Home> homes_;
    GroupNames names_;  // of the first home's thread
};

}  // namespace eventbus
