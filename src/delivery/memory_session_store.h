#pragma once

#include <string>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "delivery/session_store.h"

namespace eventbus {

// Sessions that end with the process: for tests and simulation. One thread.
class MemorySessionStore final : public SessionStore {
 public:
    explicit MemorySessionStore(const Clock& clock) : clock_(clock) {}

    void put(SessionRecord record, Executor&, Callback<Result<>> done) override {
        std::string pid = record.pid;
        records_.insert_or_assign(std::move(pid), std::move(record));
        if (done) done(Result<>());
    }

    void find(std::string_view pid, Executor&,
              Callback<Result<std::optional<SessionRecord>>> done) override {
        const auto found = records_.find(pid);
        const bool is_known =
            found != records_.end() && found->second.expires_at > clock_.wall_now();
        done(is_known ? std::optional<SessionRecord>(found->second) : std::nullopt);
    }

    void erase(std::string_view pid) override {
        const auto found = records_.find(pid);
        if (found != records_.end()) records_.erase(found);
    }

 private:
    const Clock& clock_;
    StringMap<SessionRecord> records_;
};

}  // namespace eventbus
