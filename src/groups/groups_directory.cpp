#include "groups/groups_directory.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

// Posts the error; an empty `done` wants no answer.
void refuse(Executor& reply_to, Callback<Result<>> done, Error error) {
    if (!done) return;
    reply_to.post(
        [error = std::move(error), done = std::move(done)]() mutable { done(std::move(error)); });
}

}  // namespace

GroupsDirectory::GroupsDirectory(std::vector<Home> homes, GroupNames names)
    : homes_(std::move(homes)), names_(std::move(names)) {
    BUS_ASSERT(!homes_.empty());
    for (const Home& home : homes_) BUS_ASSERT(home.reactor != nullptr && home.groups != nullptr);
}

void GroupsDirectory::post_subscribe(GroupMember member, Executor& reply_to,
                                     Callback<Result<GroupJoined>> done) {
    names_reactor().post(
        [this, member = std::move(member), &reply_to, done = std::move(done)]() mutable {
            subscribe(std::move(member), reply_to, std::move(done));
        });
}

void GroupsDirectory::subscribe(GroupMember member, Executor& reply_to,
                                Callback<Result<GroupJoined>> done) {
    Result<> good = check(member.group);
    Result<GroupNames::Claim> claim =
        good ? names_.claim(member.group, member.service, member.is_admitted)
             : Result<GroupNames::Claim>(good.error());
    if (!claim) {
        return reply_to.post(
            [error = claim.error(), done = std::move(done)]() mutable { done(std::move(error)); });
    }
    for (const GroupKey& taken : claim->taken_over) {
        const Home& its = home(taken);
        its.reactor->post([groups = its.groups, taken, owner = claim->name_owner] {
            groups->take_over(taken, owner);
        });
    }
    const Home& to = home(member.group);
    // The home says first that the group exists, then answers: so it is known at the release.
    auto answered = [this, group = member.group,
                     done = std::move(done)](Result<GroupJoined> joined) mutable {
        done(std::move(joined));
        names_reactor().post([this, group = std::move(group)] { names_.release(group); });
    };
    to.reactor->post([groups = to.groups, member = std::move(member), claim = std::move(*claim),
                      &reply_to, answered = std::move(answered)]() mutable {
        groups->subscribe(member, claim, reply_to, std::move(answered));
    });
}

void GroupsDirectory::post_unsubscribe(MemberId member, GroupKey group, Executor& reply_to,
                                       Callback<Result<>> done) {
    names_reactor().post(
        [to = home(group), member, group, &reply_to, done = std::move(done)]() mutable {
            to.reactor->post([groups = to.groups, member, group = std::move(group), &reply_to,
                              done = std::move(done)]() mutable {
                groups->unsubscribe(member, group, reply_to, std::move(done));
            });
        });
}

void GroupsDirectory::post_end_membership(MemberId member, GroupKey group) {
    names_reactor().post([to = home(group), member, group] {
        to.reactor->post(
            [groups = to.groups, member, group] { groups->end_membership(member, group); });
    });
}

void GroupsDirectory::post_admitted(MemberId member, GroupKey group, bool is_admitted) {
    names_reactor().post([to = home(group), member, group, is_admitted] {
        to.reactor->post([groups = to.groups, member, group, is_admitted] {
            groups->set_admitted(member, group, is_admitted);
        });
    });
}

void GroupsDirectory::post_member_gone(MemberId member) {
    names_reactor().post([this, member] {
        for (const Home& to : homes_) {
            to.reactor->post([groups = to.groups, member] { groups->member_gone(member); });
        }
    });
}

void GroupsDirectory::post_exists(GroupKey group, bool exists) {
    names_reactor().post(
        [this, group = std::move(group), exists] { names_.set_exists(group, exists); });
}

void GroupsDirectory::post_remove(GroupKey group, Executor& reply_to, Callback<Result<>> done) {
    const Home& to = home(group);
    to.reactor->post(
        [groups = to.groups, group = std::move(group), &reply_to,
         done = std::move(done)]() mutable { groups->remove(group, reply_to, std::move(done)); });
}

void GroupsDirectory::post_ack(MemberId member, std::string_view delivery, Executor& reply_to,
                               Callback<Result<>> done) {
    Result<DeliveryId> id = parse_delivery_id(delivery);
    if (!id) return refuse(reply_to, std::move(done), std::move(id.error()));
    const Home& to = home(id->group);
    to.reactor->post(
        [groups = to.groups, member, id = std::move(*id), &reply_to,
         done = std::move(done)]() mutable { groups->ack(member, id, reply_to, std::move(done)); });
}

void GroupsDirectory::post_nack(MemberId member, std::string_view delivery,
                                std::optional<std::chrono::milliseconds> delay, Executor& reply_to,
                                Callback<Result<>> done) {
    Result<DeliveryId> id = parse_delivery_id(delivery);
    if (!id) return refuse(reply_to, std::move(done), std::move(id.error()));
    const Home& to = home(id->group);
    to.reactor->post([groups = to.groups, member, id = std::move(*id), delay, &reply_to,
                      done = std::move(done)]() mutable {
        groups->nack(member, id, delay, reply_to, std::move(done));
    });
}

std::vector<std::vector<StoredGroup>> GroupsDirectory::split(std::vector<StoredGroup> stored,
                                                             std::size_t reactors) {
    std::vector<std::vector<StoredGroup>> homes(reactors);
    for (StoredGroup& group : stored) {
        const std::size_t home = home_of(group.key, reactors);
        homes[home].push_back(std::move(group));
    }
    return homes;
}

const GroupsDirectory::Home& GroupsDirectory::home(const GroupKey& group) const {
    return homes_[home_of(group, homes_.size())];
}

}  // namespace eventbus
