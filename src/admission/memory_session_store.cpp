#include "admission/memory_session_store.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eventbus {

MemorySessionStore::MemorySessionStore(MemorySessions& disk, const Clock& clock,
                                       SessionIndex::Settings settings)
    : disk_(disk), clock_(clock), index_(settings) {
    for (auto& [pid, stored] : disk_.by_pid) {
        // Who was connected when the process ended has all of the time to come back.
        if (!stored.expires_at) stored.expires_at = index_.expiry(clock_.now());
        index_.restore(pid, stored.record.principal, *stored.expires_at);
    }
}

void MemorySessionStore::create(SessionRecord record, SessionOwner& owner,
                                Callback<Result<Claim>> done) {
    const auto answer = [&](Result<Claim> result) {
        owner.executor().post([result = std::move(result), done = std::move(done)]() mutable {
            done(std::move(result));
        });
    };
    forget_expired();
    if (disk_.is_full) return answer(Error{ErrorCode::kUnavailable, "the disk is full"});
    const Result<SessionIndex::Made> made = index_.create(record.pid, record.principal, owner);
    if (!made) return answer(made.error());
    for (const std::string& pid : made->pushed_out) disk_.by_pid.erase(pid);
    std::string pid = record.pid;
    disk_.by_pid.insert_or_assign(std::move(pid),
                                  MemorySessions::Stored{std::move(record), std::nullopt});
    answer(made->claim);
}

void MemorySessionStore::claim(std::string_view pid, std::string_view principal,
                               SessionOwner& owner, Callback<Result<std::optional<Claimed>>> done) {
    forget_expired();
    std::optional<Claimed> claimed;
    const auto found = disk_.by_pid.find(pid);
    if (found != disk_.by_pid.end() && found->second.record.principal == principal) {
        const auto taken = index_.claim(pid, principal, owner, clock_.now());
        if (taken) {
            if (SessionOwner* const from = taken->from; from != nullptr) {
                from->executor().post(note_taken_over(*from, pid, taken->before));
            }
            found->second.expires_at.reset();
            claimed = taken->with(found->second.record);
        }
    }
    owner.executor().post([claimed = std::move(claimed), done = std::move(done)]() mutable {
        done(std::move(claimed));
    });
}

void MemorySessionStore::change(std::string_view pid, Claim claim, SessionChange change,
                                SessionOwner& owner, Callback<Written> done) {
    Written how = Written::kYes;
    if (!index_.is_owned(pid, claim)) {
        how = Written::kTakenOver;
    } else if (disk_.is_full) {
        how = Written::kNotNow;
    } else {
        apply(disk_.by_pid.find(pid)->second.record, std::move(change));
    }
    if (!done) return;
    owner.executor().post([how, done = std::move(done)]() mutable { done(how); });
}

void MemorySessionStore::release(std::string_view pid, Claim claim,
                                 std::optional<SessionChange::At> at) {
    const Position given = at ? at->place.given : Position();
    if (!index_.release(pid, claim, clock_.now(), given)) return;
    MemorySessions::Stored& stored = disk_.by_pid.find(pid)->second;
    stored.expires_at = index_.expiry(clock_.now());
    if (at && !disk_.is_full) apply(stored.record, {.at = std::move(at)});
}

void MemorySessionStore::end(std::string_view pid, Claim claim) {
    if (!index_.is_owned(pid, claim)) return;
    index_.erase(pid);
    const auto found = disk_.by_pid.find(pid);
    if (found != disk_.by_pid.end()) disk_.by_pid.erase(found);
}

void MemorySessionStore::forget_expired() {
    constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
    for (const std::string& pid : index_.take_expired(clock_.now(), kAll)) disk_.by_pid.erase(pid);
}

}  // namespace eventbus
