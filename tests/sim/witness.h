#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/room.h"
#include "log/entry.h"
#include "support/position_literal.h"

namespace eventbus::sim {

// Sees every visible entry of all lives of the log, and knows by plain rules of its own what each
// of them means. What it says of a run is what the run is judged by.
class Witness {
 public:
    // Each life shows its newest entries again: those must be as they were.
    void begin_life() { last_of_life_ = 0_pos; }
    void see(const SharedEntry& entry);

    const std::map<Position, SharedEntry>& entries() const { return entries_; }

    bool goes_to(const Entry& entry, const Room& room) const;

    // The place after `from` at which the user's last right to watch the subject ended; none: it
    // did not.
    std::optional<Position> right_ended(const std::string& subject, const std::string& user,
                                        Position from) const;

    // Whether the user may watch, by all that was seen.
    bool may_watch(const std::string& subject, const std::string& user) const;

 private:
    std::map<Position, SharedEntry> entries_;
    std::map<std::string, std::string> owners_;
    std::set<std::pair<std::string, std::string>> granted_;  // subject, user
    // subject, user -> where their last right ended
    std::map<std::pair<std::string, std::string>, std::vector<Position>> ended_;
    Position last_of_life_;
};

// The value of a field of the simulation's own data, which are flat objects of strings.
std::string field_of(std::string_view data, std::string_view name);

// Says what is wrong with the run, and ends the program with the command that repeats it.
[[noreturn]] void fail(const std::string& what);

}  // namespace eventbus::sim
