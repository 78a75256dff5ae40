#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/embedded/database.h"
#include "backplane/embedded/losses.h"
#include "backplane/embedded/retention_hold.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "log/entry.h"

namespace eventbus {

// What the log keeps of each type, and what goes: by age, by bytes of a type, by bytes of all. Its
// keys are shown in log_store.h.
//
// After a jump of the wall clock nothing goes for its age (retention_hold.h). Once the clock is
// back, what was stored in between lies ahead of it: it counts as old as the step back.
//
// A look goes through the types of which something may be due; a slice of it takes at most
// kSliceEntries, so that what is to be synced meanwhile hardly waits.
//
// Thread:  open() first; the log thread; losses() and floor() any.
// Cost:    linear in what it takes; a look costs O(types).
class LogRetention {
 public:
    struct Settings {
        std::uint64_t bytes_max = 0;  // of all types
        std::chrono::milliseconds hold{0};
    };
    struct Swept {
        std::size_t entries = 0;
        bool has_more = false;
    };

    LogRetention(const Clock& clock, Settings settings)
        : clock_(clock), settings_(settings), hold_(settings.hold) {}

    // The groups of its keys that grow at their ends: what was written of each type.
    static std::shared_ptr<const rocksdb::SliceTransform> growing_groups();

    // Reads what was stored, at the start.
    Result<> open(Database& database);

    // ---- what comes -----------------------------------------------------------------------------

    // `entry`, of `size` bytes, is to be written. finish() puts what is needed to find them again,
    // and the sums of all types, once there is much that they do not have; written() says whether
    // all of it was.
    void add(const Entry& entry, std::uint64_t size, std::int64_t now_ms);
    void finish(rocksdb::WriteBatch& batch);
    void written(bool is_written);

    // ---- what goes ------------------------------------------------------------------------------

    // Takes the next slice of what is due up to `frontier`.
    // Errors: kReadOnly, kUnavailable: it is tried again.
    Result<Swept> sweep(Position frontier);

    const RetentionHold& hold() const { return hold_; }
    // An operator ends the hold; false: there is none.
    bool resume() { return hold_.resume(); }

    // ---- any thread -----------------------------------------------------------------------------

    const Losses& losses() const { return losses_; }
    // No entry is left up to here.
    Position floor() const { return floor_; }

 private:
    static constexpr std::size_t kSliceEntries = 64;
    static constexpr std::size_t kVisit = 16;  // entries that looking at a type costs as much as
    static constexpr std::int64_t kUnknown = -1;
    // At the start so many entries are counted anew, or those of so many bytes.
    static constexpr std::size_t kUncountedMax = 16'384;
    static constexpr std::uint64_t kUncountedBytesMax = 32U << 20U;

    struct Type {
        std::uint64_t bytes = 0;
        std::uint64_t unsaved = 0;  // bytes of what is being written
        bool is_touched = false;    // by what is being written
        bool is_stored = true;      // as it is here, but for what is being written
        Retention retention;
        Position swept;    // nothing of it is left up to here
        Position counted;  // as stored: `bytes` has its entries up to here
        std::int64_t oldest_ms =
            kUnknown;  // when the first that is left was written, at the latest
    };
    using Types = StringMap<Type>;

    Result<> load();
    Result<> begin_hold();
    Result<> read_hold();
    Result<> save_hold();
    void look_for_step_back(std::int64_t now_ms);
    void put_step_back(rocksdb::WriteBatch& batch) const;
    std::int64_t stored_at(Position position, std::uint64_t time_ms, std::int64_t now_ms) const;
    bool is_due(const Type& type, std::int64_t now_ms) const;
    void begin_look(std::int64_t now_ms);
    Result<> count_again(rocksdb::DB& db);
    void put_type(rocksdb::WriteBatch& batch, std::string_view name, Type& type) const;
    Result<bool> sweep_type(const std::string& name, Type& type, Position frontier,
                            std::int64_t now_ms, rocksdb::WriteBatch& batch);
    Result<bool> sweep_oldest(Position frontier, rocksdb::WriteBatch& batch);
    void note_loss(const std::string& type, Position through, rocksdb::WriteBatch& batch);
    void raise_floor();

    const Clock& clock_;
    const Settings settings_;
    RetentionHold hold_;
    // The last step back of the clock: what lies up to there was stored no later.
    struct StepBack {
        Position through;
        std::int64_t at_ms = 0;  // what the clock said then
    };
    StepBack step_back_;
    bool is_step_back_stored_ = true;
    std::int64_t clock_ms_ = 0;  // when it was last looked at; at the start, of the newest entry
    Database* database_ = nullptr;
    Types types_;
    std::vector<Types::value_type*> touched_;
    std::vector<std::pair<std::string, std::string>> indexes_;  // keys and values to be written
    std::uint64_t bytes_ = 0;                                   // of all types
    Position last_;                                             // that was added
    bool is_counted_ = false;                                   // the store has kCountedKey
    std::size_t uncounted_ = 0;                                 // entries since then
    std::uint64_t uncounted_bytes_ = 0;
    std::deque<std::string> due_;  // types of this look
    std::size_t left_ = 0;         // of this slice
    std::size_t taken_ = 0;        // by this slice
    Position oldest_swept_;        // by sweep_oldest()
    bool is_stale_ = false;        // a sweep could not be written
    Losses losses_;
    std::atomic<Position> floor_{Position()};
};

}  // namespace eventbus
