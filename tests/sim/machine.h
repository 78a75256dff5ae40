#pragma once

#include <memory>

#include "admission/session_store.h"
#include "bus/watch.h"
#include "groups/group_store.h"
#include "log/log.h"
#include "sim/chance.h"
#include "sim/clock.h"

namespace eventbus::sim {

// What the server runs on: a disk that outlives it, the stores on that disk for one life of the
// server, and what is wrong with them.
class Machine {
 public:
    static constexpr std::size_t kTailEntries = 200;  // shown again at a start
    static constexpr std::size_t kTailBytes = 128 << 20;
    static constexpr std::size_t kSessionsOfAUser = 2;  // that are not connected

    virtual ~Machine() = default;

    // ---- lives of the server
    // ---------------------------------------------------------------------

    // Opens the stores on what is on the disk; start() follows once the log has its readers.
    virtual void begin_life() = 0;
    virtual void start() = 0;
    // kill -9: nothing that the server asks for from here on reaches the disk.
    virtual void kill() = 0;
    // No store posts anything any more.
    virtual void stop() = 0;
    // The server is gone, and its stores with it.
    virtual void end_life() = 0;

    virtual Log& log() = 0;
    virtual Watches& watches() = 0;
    virtual SessionStore& sessions() = 0;
    virtual GroupStore& groups() = 0;

    // ---- time and trouble
    // ------------------------------------------------------------------------

    // Something that is late comes: a sync, a page, an answer. False: nothing is.
    virtual bool move(Chance& chance) = 0;
    // Whether an answer of watches() is on its way that move() does not bring.
    virtual bool is_asked() const = 0;
    // Gives what works in threads of its own the time to do so. False: there is no such thing.
    virtual bool wait_a_moment() = 0;

    virtual void set_slow(bool on) = 0;    // the disk
    virtual void set_full(bool on) = 0;    // the disk
    virtual void set_broken(bool on) = 0;  // no sync succeeds
    // Takes all up to here; returns what is gone now.
    virtual Position retain_after(Position position) = 0;

    // ---- between two lives
    // -----------------------------------------------------------------------

    virtual bool has_copy() const = 0;
    virtual void copy() = 0;  // of a server that runs
    virtual void restore() = 0;
};

std::unique_ptr<Machine> memory_machine(const SimClock& clock);
// With the embedded stores on the machine's disk: not all of a run follows from its seed.
std::unique_ptr<Machine> embedded_machine(const SimClock& clock, Random& random);

}  // namespace eventbus::sim
