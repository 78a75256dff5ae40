#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admission/session_index.h"
#include "admission/session_store.h"
#include "base/clock.h"
#include "base/hash.h"

namespace eventbus {

// What a MemorySessionStore leaves behind when it ends: the next one goes on from it.
struct MemorySessions {
    struct Stored {
        SessionRecord record;
        std::optional<Clock::Time> expires_at;  // none: its socket is connected
    };
    StringMap<Stored> by_pid;
    bool is_full = false;  // nothing can be written now
};

// Sessions in memory: for tests and simulation. One thread.
class MemorySessionStore final : public SessionStore {
 public:
    MemorySessionStore(MemorySessions& disk, const Clock& clock, SessionIndex::Settings settings);

    void create(SessionRecord record, SessionOwner& owner, Callback<Result<Claim>> done) override;
    void claim(std::string_view pid, std::string_view principal, SessionOwner& owner,
               Callback<Result<std::optional<Claimed>>> done) override;
    void change(std::string_view pid, Claim claim, SessionChange change, SessionOwner& owner,
                Callback<Written> done) override;
    void release(std::string_view pid, Claim claim, std::optional<SessionChange::At> at) override;
    void end(std::string_view pid, Claim claim) override;

    const SessionIndex& index() const { return index_; }

 private:
    void forget_expired();

    MemorySessions& disk_;
    const Clock& clock_;
    SessionIndex index_;
};

}  // namespace eventbus
