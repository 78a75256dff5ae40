#pragma once

#include <boost/multi_index/composite_key.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index_container.hpp>
#include <boost/static_string/static_string.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admission/session_store.h"
#include "base/clock.h"

namespace eventbus {

// Which sessions there are, whose they are now, and which has to go: what every store of one
// process knows beside the records. No I/O; time is an argument, of the monotonic clock, so that a
// step of the wall clock ends no session.
//
// Thread:  one at a time.
// Bounded: as SessionStore says. A session costs about 190 bytes.
class SessionIndex {
 public:
    struct Settings {
        std::size_t sessions_max = 200'000;
        std::size_t per_user_max = 100;                          // of those that are not connected
        std::size_t per_service_max = 1'000;                     // the same
        std::chrono::milliseconds ttl = std::chrono::hours(24);  // after the socket has gone
    };
    struct Made {
        Claim claim{};
        std::vector<std::string> pushed_out;  // pids
    };

    explicit SessionIndex(Settings settings) : settings_(settings) {}

    // One that an earlier life of the process has left; `expires_at` is at most ttl away. Pushes
    // nothing out, even past the bounds.
    void restore(std::string_view pid, std::string_view principal, Clock::Time expires_at);

    // Errors: kUnavailable, only sessions of connected sockets are left at the bound.
    Result<Made> create(std::string_view pid, std::string_view principal, SessionOwner& owner);

    struct Taken {
        Claim claim{};
        SessionOwner* from = nullptr;  // whose it was, and is to be told; null: nobody's
        Claim before{};
        Position given;  // release()

        // What a store answers, of the record as it is stored.
        SessionStore::Claimed with(SessionRecord record) const;
    };
    // Makes `owner` the owner. None: there is no such session, or it is another principal's (by a
    // hash: whoever has the record compares it whole).
    std::optional<Taken> claim(std::string_view pid, std::string_view principal,
                               SessionOwner& owner, Clock::Time now);

    bool is_owned(std::string_view pid, Claim claim) const;

    // From now on it expires. False: it is another's, and keeps `given`: what lies up to there was
    // given to the socket from which it was taken over.
    bool release(std::string_view pid, Claim claim, Clock::Time now, Position given = {});

    bool is_known(std::string_view pid, Clock::Time now) const;

    // False: there is none.
    bool erase(std::string_view pid);

    // Takes out at most `count` that have expired, and returns their pids.
    std::vector<std::string> take_expired(Clock::Time now, std::size_t count);

    std::size_t size() const { return sessions_.size(); }
    std::size_t connected() const { return connected_; }
    Clock::Time expiry(Clock::Time now) const { return now + settings_.ttl; }
    const Settings& settings() const { return settings_; }

 private:
    using Pid = boost::static_string<kPidBytesMax>;
    static constexpr Clock::Time kConnected = Clock::Time::max();

    struct Session {
        Pid pid;
        std::uint64_t principal = 0;  // a hash: a collision shares a bound, and no more
        bool is_service = false;
        Clock::Time expires_at = kConnected;
        Claim claim{};
        SessionOwner* owner = nullptr;  // null: not connected
        Position given;                 // release()
    };
    struct ByPid {};
    struct ByExpiry {};
    struct ByPrincipal {};
    using Sessions = boost::multi_index_container<
        Session,
        boost::multi_index::indexed_by<
            boost::multi_index::hashed_unique<
                boost::multi_index::tag<ByPid>,
                boost::multi_index::member<Session, Pid, &Session::pid>>,
            boost::multi_index::ordered_non_unique<
                boost::multi_index::tag<ByExpiry>,
                boost::multi_index::member<Session, Clock::Time, &Session::expires_at>>,
            boost::multi_index::ordered_non_unique<
                boost::multi_index::tag<ByPrincipal>,
                boost::multi_index::composite_key<
                    Session,
                    boost::multi_index::member<Session, std::uint64_t, &Session::principal>,
                    boost::multi_index::member<Session, Clock::Time, &Session::expires_at>>>>>;

    Sessions::const_iterator find(std::string_view pid) const;
    void erase(Sessions::const_iterator session);
    void set_connected(Sessions::const_iterator session, SessionOwner* owner, Clock::Time expires);
    void add(const Session& session);

    const Settings settings_;
    Sessions sessions_;
    std::unordered_map<std::uint64_t, std::uint32_t> disconnected_;  // by principal
    std::size_t connected_ = 0;
    std::uint64_t last_claim_ = 0;
};

}  // namespace eventbus
