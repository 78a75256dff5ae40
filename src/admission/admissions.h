#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admission/arriving.h"
#include "admission/guest.h"
#include "admission/probe.h"
#include "admission/session_store.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/sharded.h"
#include "bus/watch.h"
#include "catalog/catalog.h"
#include "delivery/hub.h"
#include "log/log.h"

namespace eventbus {

// Who is in on one reactor: lets clients in, and asks those that are in again when the catalog has
// changed, a part at a time.
//
// Thread:  reactor. Outlives the store's use of it.
// Bounded: by its callers' connections.
class Admissions final : public SessionOwner {
 public:
    struct Context {
        Executor& reactor;
        const Clock& clock;
        Random& random;
        Log& log;
        Hub& hub;
        Watches& watches;
        SessionStore& sessions;
        PostAt post_at;  // on the reactor
    };
    struct Settings {
        std::size_t rooms_max = 256;  // of one receiver
        std::size_t sid_bytes = 20;
        // Each session is written once in this time with its place. Older ones are safe; this
        // bounds what is read again for a client that was owed nothing.
        std::chrono::milliseconds write_places_every = std::chrono::minutes(5);
    };

    Admissions(Context context, Settings settings, std::shared_ptr<const Catalog> catalog);

    // Errors: only what may pass: the client is to come again.
    void sign_in(Arrival arrival, Arriving::Done done);

    // Who signed in is not there any more, before a Guest was made of it.
    void forget(const Admitted& admitted);

    // The catalog of a reload: everybody's rooms are asked for again. `completion` is held until
    // nobody is in a room, or on the way into one, by a right of the catalogs before.
    void set_catalog(std::shared_ptr<const Catalog> catalog, const Completion& completion);

    // SessionOwner
    Executor& executor() override { return context_.reactor; }
    void on_taken_over(std::string_view pid, Claim claim) override;

    const AdmissionProbe& probe() const { return probe_; }

 private:
    friend class Guest;
    static constexpr std::size_t kRechecksPerTurn = 32;
    static constexpr auto kRoundEvery = std::chrono::seconds(1);

    void add(Guest& member);
    void remove(Guest& member);
    void recheck_some();
    void write_some_places();

    // Held by those that are on their way in by one catalog, until they have been asked again.
    struct Coming {
        Completion reload;             // that took the catalog's place
        std::shared_ptr<Coming> next;  // of the catalog that did
    };

    Context context_;
    const Settings settings_;
    std::shared_ptr<const Catalog> catalog_;
    std::shared_ptr<Coming> coming_ = std::make_shared<Coming>();
    Sharded<std::unordered_map<std::string_view, Guest*>> by_pid_;  // keys: Guest::pid()
    // All members, those first that were looked at longest ago.
    boost::intrusive::list<Guest, boost::intrusive::constant_time_size<false>> members_;
    std::size_t member_count_ = 0;
    std::size_t to_recheck_ = 0;  // at the front
    Completion rechecking_;       // of the reloads for which they are
    bool writes_places_ = false;  // a timer runs
    AdmissionProbe probe_;
};

}  // namespace eventbus
