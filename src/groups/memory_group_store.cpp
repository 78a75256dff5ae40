#include "groups/memory_group_store.h"

#include <algorithm>
#include <utility>

namespace eventbus {
namespace {

bool stands_before(const StoredFlight& flight, Position position) {
    return flight.position < position;
}

}  // namespace

void apply(const GroupChange& change, StoredGroup& group) {
    group.key = change.key;
    group.state = change.state;
    std::vector<StoredFlight>& flights = group.in_flight;
    for (const StoredFlight& put : change.put) {
        const auto at =
            std::lower_bound(flights.begin(), flights.end(), put.position, stands_before);
        if (at != flights.end() && at->position == put.position) {
            *at = put;
        } else {
            flights.insert(at, put);
        }
    }
    for (const Position position : change.erased) {
        const auto at = std::lower_bound(flights.begin(), flights.end(), position, stands_before);
        if (at != flights.end() && at->position == position) flights.erase(at);
    }
}

Result<std::vector<StoredGroup>> MemoryGroupStore::load(const Epochs& log) {
    const Position shared = epochs_ ? log.shared_with(*epochs_) : kEndOfTime;
    epochs_ = log;
    std::vector<StoredGroup> groups;
    for (auto& [key, group] : groups_) {
        groups.push_back(group);
        if (const auto change = set_back(groups.back(), shared)) apply(*change, group);
    }
    return groups;
}

void MemoryGroupStore::write(SharedGroupChanges changes, Executor& reply_to,
                             Callback<Result<>> done) {
    ++writes_;
    Result<> result;
    if (failure_) {
        result = Error{*failure_, "the store of groups was told to fail"};
    } else {
        for (const GroupChange& change : *changes) {
            if (change.has_ended) {
                groups_.erase(change.key);
            } else {
                apply(change, groups_[change.key]);
            }
        }
    }
    reply_to.post([result = std::move(result), done = std::move(done)]() mutable {
        done(std::move(result));
    });
}

}  // namespace eventbus
