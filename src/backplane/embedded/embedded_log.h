#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backplane/embedded/database.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "log/binder.h"
#include "log/dedupe.h"
#include "log/log.h"
#include "log/probe.h"
#include "log/tail.h"
#include "log/turn.h"

namespace eventbus {

struct EmbeddedLogSettings {
    std::filesystem::path data_dir;          // exists; the log is its folder log/
    std::uint64_t bytes_max = 10ULL << 30U;  // of all types; beyond: the oldest go first
    std::size_t tail_entries_max = 65'536;   // shown again to the readers at the start
    std::size_t tail_bytes_max = Tail::kBytesMax;
    std::size_t pending_bytes_max = 64U << 20U;    // not yet visible; beyond: kUnavailable
    std::size_t reads_max = 4'096;                 // waiting read()s; beyond: kUnavailable
    std::uint64_t free_bytes_min = kFreeBytesMin;  // below: kReadOnly until there is more
    int open_files_max = 256;
    std::chrono::milliseconds retry_after{1'000};  // of opening a log that could not be written
    // Of running time after a jump of the clock, in which nothing is deleted for its age; 0: none.
    std::chrono::milliseconds retention_hold = std::chrono::hours(24);
    // Positions that are reserved on disk at a time: at a million events a second, half of them
    // last half a second, in which the next must be synced.
    std::uint64_t reserve = 1U << 20U;
    Dedupe::Settings dedupe;
    rocksdb::Env* env = nullptr;  // the disk; tests give one that fails
};

// The log on this machine's disk, in a RocksDB of its own.
//
// Whoever appends takes the sequencer's turn itself, or leaves its request to the holder. What must
// be on disk goes to the log thread, which writes and syncs all that waits as one batch, and then
// takes a turn to make it visible; pages are read by a thread of their own.
//
// Thread:  any; open(), start() and stop() by the wiring.
// Bounded: EmbeddedLogSettings; on disk by the retention of the types, and by bytes_max in all.
// Cost:    a transient append about 1 µs without a hop; a durable one shares a sync.
// Invariants:
//   (1) Positions are reserved on disk before they are given; a restart begins above them.
//   (2) After a failed write or sync everything is refused until the store could be opened anew.
//   Then
//       what was appended and not synced is written first, again, and becomes visible in its place:
//       bind() has run for it. Its publishers were told kReadOnly, so they may bring it again.
class EmbeddedLog final : public Log, public Turn {
 public:
    // Opens or makes the log, and loads `binder`. The tail stands where the newest entries begin,
    // so readers are added next, then start() is called.
    // Without room on the disk it is read, and takes appends as soon as there is.
    // Errors: as Database::open().
    static Result<std::unique_ptr<EmbeddedLog>> open(EmbeddedLogSettings settings, Binder& binder,
                                                     const Clock& clock, Random& random);

    // Marks the log in this data directory, which no server has, as a copy of one that may have
    // gone on: its last epoch ends at its newest entry, and that position is returned; what follows
    // up to the next entry counts as lost. So those who have seen what came later in the other
    // branch are told, and those who were away then, and miss nothing in silence. Blocks.
    // Errors: as open(), and kNotFound, there is no log.
    static Result<Position> end_copy(const EmbeddedLogSettings& settings, const Clock& clock,
                                     Random& random);

    ~EmbeddedLog() override;
    EmbeddedLog(const EmbeddedLog&) = delete;
    EmbeddedLog& operator=(const EmbeddedLog&) = delete;

    // Shows the newest entries to the readers, and starts to write. The current epoch is on disk
    // from here on, if the disk takes it, so a start that fails before leaves none behind.
    // `has_sessions`: the store of sessions is open for writing in this epoch.
    void start(bool has_sessions = false);
    // LogStore::sessions_open_in(), as the lives before have left it.
    const std::string& sessions_open_in() const;
    // LogStore::is_epoch_stored(). Any thread.
    bool is_epoch_stored() const;

    // Writes what was appended, answers it, and ends. Nothing is to be appended any more; the
    // executors still live.
    void stop();

    void append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) override;
    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms wanted = nullptr) override;
    std::uint64_t room_key(const Room& room) const override;
    void take_turn(Callback<Sequencer&> run) override;

    Position frontier() const override;
    const Epochs& epochs() const override;
    Tail& tail() override;
    bool is_writable() const override;

    // Looks now, and not at the next time, for what retention no longer keeps and for free space.
    void look_now();

    // An operator says that the clock is right, so retention by age goes on after a jump of it.
    // `done` gets whether it was held. Errors: kUnavailable, the log is stopping.
    void resume_retention(Executor& reply_to, Callback<Result<bool>> done);

    const LogProbe& probe() const;
    const Database& database() const;

    class Core;  // all of it, so that RocksDB stays in this folder

 private:
    explicit EmbeddedLog(std::unique_ptr<Core> core);
    const std::unique_ptr<Core> core_;
};

}  // namespace eventbus
