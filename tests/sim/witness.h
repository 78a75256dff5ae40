#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "event/room.h"
#include "log/entry.h"

namespace eventbus::sim {

// Sees every visible entry of all lives of the log, and knows by plain rules of its own what each
// of them means for who may watch what. What it says is what the run is judged by.
class Witness {
 public:
    // Each life shows its newest entries again: those must be as they were.
    void begin_life() { last_of_life_ = {}; }
    void see(const SharedEntry& entry);
    // An older copy took the place of the log: what came after `through` never was.
    void forget_after(Position through);

    const std::map<Position, SharedEntry>& entries() const { return entries_; }
    Position frontier() const {  // of what is visible
        return entries_.empty() ? Position() : entries_.rbegin()->first;
    }
    Position lost_through;  // what retention has taken of the log

    // Whether the disk takes writes now, and how often it began not to.
    void note_disk(bool takes_writes) {
        if (std::exchange(takes_writes_, takes_writes) && !takes_writes) ++disk_troubles_;
    }
    bool takes_writes() const { return takes_writes_; }
    int disk_troubles() const { return disk_troubles_; }
    static bool goes_to(const Entry& entry, const Room& room);

    // Whether an entry gave the user the right to watch the subject which held for what stands at
    // `at`.
    bool may_watch(const std::string& subject, const std::string& user, Position at) const;
    // Whether an entry at this place gave the user the right to watch the subject.
    bool right_began(const std::string& subject, const std::string& user, Position at) const;
    // Where the oldest of the rights began by which the user may watch it now; kEndOfTime: it may
    // not.
    Position watches_since(const std::string& subject, const std::string& user) const;
    // Whether the user has had one right or another at each place from `at` on.
    bool watches_ever_since(const std::string& subject, const std::string& user, Position at) const;

    // ---- rights that the catalog gives: to friends all subjects, to services all types
    // -----------

    // A reload begins; and it has ended on all reactors.
    void reload(bool gives, Position holds_after);
    void reload_has_ended(Position frontier);
    bool catalog_may(Position at) const { return at <= catalog_gave_until_; }
    bool catalog_gives_ever_since(Position since) const {
        return gives_after_ && since >= *gives_after_;
    }
    bool catalog_gives() const { return gives_after_.has_value(); }
    int reloads() const { return reloads_; }

 private:
    struct Right {
        Position from;
        Position until = kEndOfTime;
    };
    enum class By { kOwnership, kGrant };
    using Key = std::tuple<std::string, std::string, By>;  // subject, user

    void learn(const Entry& entry);
    void give(const Key& key, Position at);
    void take(const Key& key, Position at);
    std::vector<Right> rights_of(const std::string& subject, const std::string& user) const;

    std::map<Position, SharedEntry> entries_;
    std::map<std::string, std::string> owners_;
    std::map<Key, std::vector<Right>> rights_;
    Position last_of_life_;
    std::optional<Position> gives_after_ = Position();
    int reloads_ = 0;
    bool takes_writes_ = true;
    int disk_troubles_ = 0;
    Position catalog_gave_until_ = kEndOfTime;
};

// The value of a field of the simulation's own data, which are flat objects of strings.
std::string field_of(std::string_view data, std::string_view name);

// Says what is wrong with the run, and ends the program with the command that repeats it.
[[noreturn]] void fail(const std::string& what);

}  // namespace eventbus::sim
