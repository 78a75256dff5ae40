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

GroupsDirectory::GroupsDirectory(std::vector<Home> homes) : homes_(std::move(homes)) {
    BUS_ASSERT(!homes_.empty());
    for (const Home& home : homes_) BUS_ASSERT(home.reactor != nullptr && home.groups != nullptr);
}

void GroupsDirectory::post_subscribe(GroupMember member, Executor& reply_to,
                                     Callback<Result<GroupJoined>> done) {
    const Home& to = home(member.group);
    to.reactor->post([groups = to.groups, member = std::move(member), &reply_to,
                      done = std::move(done)]() mutable {
        groups->subscribe(member, reply_to, std::move(done));
    });
}

void GroupsDirectory::post_unsubscribe(MemberId member, GroupKey group, Executor& reply_to,
                                       Callback<Result<>> done) {
    const Home& to = home(group);
    to.reactor->post([groups = to.groups, member, group = std::move(group), &reply_to,
                      done = std::move(done)]() mutable {
        groups->unsubscribe(member, group, reply_to, std::move(done));
    });
}

void GroupsDirectory::post_member_gone(MemberId member) {
    for (const Home& to : homes_) {
        to.reactor->post([groups = to.groups, member] { groups->member_gone(member); });
    }
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
