#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "log/binder.h"
#include "log/log.h"
#include "log/probe.h"
#include "log/sequencer.h"
#include "log/tail.h"
#include "log/turn.h"

namespace eventbus {

// What a MemoryLog leaves behind when it ends: the next one goes on from it, as from a disk.
struct MemoryDisk {
    struct Key {
        Position position;
        std::uint64_t content_hash = 0;
        bool unowned = false;
        Clock::Time at;
    };
    Epochs epochs{"memory"};                  // a new one with each life
    std::uint64_t lives = 1;                  // with those of other branches, if it is a copy
    std::map<Position, std::string> entries;  // as bytes: nothing survives but what is encoded
    std::map<std::string, std::string> changes;
    std::map<std::string, Key> dedupe_keys;
    Position reserved;
    Position lost_through;                 // as the test's retention says
    std::map<Position, std::string> lost;  // what it took, from which losses are told by type
    std::uint64_t losses = 0;              // how often

    // As EmbeddedLog::end_copy(): the epoch of a copy ends at its newest stored entry, so that what
    // was reserved there, and given on the other branch, is not taken for this log's.
    // `lives_of_other`: how many the lost branch had.
    void end_copy(std::uint64_t lives_of_other);
    void begin_epoch(Position end_of_last);
};

// The log in memory, for tests and simulation.
//
// A durable append is synced at once; with hold_syncs(true) it waits for sync(), as for a slow
// disk. What was not synced dies with the log.
//
// Thread:  one.
// Bounded: by its test; no retention but the test's.
class MemoryLog final : public Log, public Turn {
 public:
    struct Settings {
        Sequencer::Settings sequencer;
        std::size_t tail_entries_max = 1024;  // shown again to the readers at the start
        std::size_t tail_bytes_max = Tail::kBytesMax;
        std::uint64_t reserve = 1000;  // positions at a time
    };

    MemoryLog(MemoryDisk& disk, Binder& binder, const Clock& clock, Settings settings);

    // As EmbeddedLog::start(): shows the newest entries to the readers, which were added before.
    void start();

    void append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) override;
    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms wanted) override;
    std::uint64_t room_key(const Room& room) const override;
    void take_turn(Callback<Sequencer&> run) override;
    Position frontier() const override { return tail_.frontier(); }
    const Epochs& epochs() const override { return disk_.epochs; }
    Tail& tail() override { return tail_; }
    bool is_writable() const override { return !failed_ && !is_full_; }

    // ---- what a test does to it ---------------------------------------------------------------

    void hold_syncs(bool on);
    // Syncs what waits: all, or the first `entries`.
    void sync(std::size_t entries = ~std::size_t{0});
    // The sync of what waits fails, and so does every one until recover(), which syncs it.
    void fail_sync();
    void recover();
    void set_full(bool on);
    // Retention takes all entries up to here.
    void retain_after(Position position);

    std::size_t unsynced() const { return staged_.size(); }
    const LogProbe& probe() const { return probe_; }

 private:
    void run_in_turn(Callback<Sequencer&> run, bool at_once);
    void write(const Staged& staged);
    void load(Binder& binder);

    MemoryDisk& disk_;
    const Clock& clock_;
    const Settings settings_;
    LogProbe probe_;
    Tail tail_;
    Sequencer sequencer_;
    std::vector<SharedEntry> recent_;  // until start()
    std::vector<Staged> staged_;
    std::vector<Callback<Sequencer&>> waiting_;  // asked for in a turn
    bool in_turn_ = false;
    bool holds_syncs_ = false;
    bool failed_ = false;
    bool is_full_ = false;
};

}  // namespace eventbus
