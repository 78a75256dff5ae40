#include <memory>
#include <optional>
#include <utility>

#include "admission/memory_session_store.h"
#include "bus/subjects.h"
#include "groups/memory_group_store.h"
#include "log/memory_log.h"
#include "sim/late.h"
#include "sim/machine.h"
#include "support/late_group_store.h"
#include "support/late_log.h"

namespace eventbus::sim {
namespace {

// The stores in memory. Their answers come late and out of order.
class MemoryMachine final : public Machine {
 public:
    explicit MemoryMachine(const SimClock& clock) : clock_(clock) {}

    void begin_life() override {
        life_ = std::make_unique<Life>(disk_, clock_);
        is_broken_ = false;
        set_slow(is_slow_);
        set_full(is_full_);
    }
    void start() override { life_->log.start(); }
    void kill() override {
        life_->sessions.is_dead = true;
        life_->groups.forget();
        life_->late.forget();
    }
    void stop() override {}
    void end_life() override { life_.reset(); }

    Log& log() override { return life_->late_log; }
    Watches& watches() override { return life_->watches; }
    SessionStore& sessions() override { return life_->sessions; }
    GroupStore& groups() override { return life_->groups; }

    bool move(Chance& chance) override {
        constexpr std::uint64_t kParts = 4;
        const std::uint64_t first = chance.below(kParts);
        for (std::uint64_t i = 0; i < kParts; ++i) {
            if (move_part((first + i) % kParts, chance)) return true;
        }
        return false;
    }
    bool is_asked() const override { return false; }  // move() brings every answer
    bool wait_a_moment() override { return false; }

    void set_slow(bool on) override {
        is_slow_ = on;
        life_->log.hold_syncs(on);
    }
    void set_full(bool on) override {
        is_full_ = on;
        life_->log.set_full(on);
        disk_.sessions.is_full = on;
    }
    void set_broken(bool on) override {
        if (std::exchange(is_broken_, on) != on) on ? life_->log.fail_sync() : life_->log.recover();
    }
    Position retain_after(Position position) override {
        life_->log.retain_after(position);
        return disk_.log.lost_through;
    }

    bool has_copy() const override { return copy_.has_value(); }
    void copy() override { copy_ = disk_; }
    void restore() override {
        const std::uint64_t lives = disk_.log.lives;
        disk_ = *copy_;
        disk_.log.end_copy(lives);
        disk_.sessions.is_full = is_full_;
    }

 private:
    bool move_part(std::uint64_t part, Chance& chance) {
        switch (part) {
            case 0:
                if (!is_slow_ || life_->log.unsynced() == 0) return false;
                life_->log.sync(1 + chance.below(5));
                return true;
            case 1:
                if (!life_->late_log.has_waiting()) return false;
                life_->late_log.answer(chance.below(8), chance.one_in(8));
                return true;
            case 2: {
                const std::size_t waiting = life_->groups.waiting();
                if (waiting == 0) return false;
                life_->groups.write_one(chance.below(waiting),
                                        is_full_ || is_broken_ || chance.one_in(30));
                return true;
            }
            default:
                return life_->late.come(chance);
        }
    }

    struct Disk {
        MemoryDisk log;
        MemorySessions sessions;
        MemoryGroupStore groups;
    };
    struct Life {
        Life(Disk& disk, const SimClock& clock)
            : log(disk.log, subjects, clock,
                  {.tail_entries_max = kTailEntries, .tail_bytes_max = kTailBytes, .reserve = 64}),
              late_log(log),
              turn_watches(log, subjects),
              watches(turn_watches, late),
              session_store(disk.sessions, clock, {.per_user_max = kSessionsOfAUser}),
              sessions(session_store, late),
              groups(disk.groups) {}

        Late late;
        Subjects subjects{{}};
        MemoryLog log;
        LateLog late_log;
        SubjectWatches turn_watches;
        LateWatches watches;
        MemorySessionStore session_store;
        LateSessions sessions;
        LateGroupStore groups;
    };

    const SimClock& clock_;
    Disk disk_;
    std::optional<Disk> copy_;
    std::unique_ptr<Life> life_;
    bool is_slow_ = false;
    bool is_full_ = false;
    bool is_broken_ = false;
};

}  // namespace

std::unique_ptr<Machine> memory_machine(const SimClock& clock) {
    return std::make_unique<MemoryMachine>(clock);
}

}  // namespace eventbus::sim
