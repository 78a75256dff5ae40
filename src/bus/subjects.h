#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/sharded.h"
#include "bus/probe.h"
#include "bus/watch.h"
#include "log/binder.h"

namespace eventbus {

// Who owns a subject and who was granted to watch it: the half of routing that depends on the place
// in the log.
//
// Thread:  the sequencer's turn (Watches and Log see to it); load() before the first, by any.
// Bounded: subjects that are owned or granted, by owners_max: past it an event that names the owner
//          of a further one, or grants it, is refused with kUnavailable, which an operator can
//          change, and is warned of from four fifths on. Grants of one subject, by grants_max:
//          past it kTooMany. A subject costs about 200 bytes, a grant 80.
//          What was not named or granted for owner_ttl ends with an event that names an owner,
//          which makes room: each looks at some subjects, and carries the evictions of those that
//          it ends. Time counts while a server runs, so a clock that jumps ends nothing.
// Cost:    O(1), and for an event that grants or revokes two looks at each grant of the subject;
// with
//          owner_ttl about eight cache misses more for one that names an owner. What undo() needs
//          is kept of what changed only.
// Invariants:
//   (1) The first event that names an owner fixes it; another changes it only by `transfer`.
//   (2) An entry that takes a right away carries the eviction.
//   (3) What a user granted before anybody owned the subject ends when another becomes its owner.
class Subjects final : public Binder {
 public:
    struct Settings {
        std::size_t owners_max = 10'000'000;
        std::size_t grants_max = 1'000;
        std::chrono::milliseconds owner_ttl{0};  // 0: for good
        const Clock* clock = nullptr;            // must be there if owner_ttl is not 0
    };

    explicit Subjects(Settings settings);

    // Errors: kForbidden, the publisher must own the subject and does not; kUnavailable
    // (owners_max); kTooMany (grants_max).
    Result<Bound> bind(Plan&& plan, Position position) override;
    void commit() override;
    void undo() override;
    Result<> load(std::span<const StoredView> stored) override;

    // Whether the asker may, and the entry that gave the right; 0: the token.
    // Errors: kForbidden, the same whether nobody owns the subject or the asker may not.
    Result<Position> may_watch(const WatchQuestion& question) const;

    std::string_view owner(std::string_view subject) const;
    std::size_t size() const { return subjects_.size(); }
    const BindProbe& probe() const { return probe_; }

 private:
    struct Grant {
        Room who;
        Position since;
        // Null if a service granted it, or the subject was owned then: it stays when ownership
        // begins.
        std::shared_ptr<const std::string> by_user;
    };
    struct Facts {
        std::string owner;  // a user's id, or empty
        Position owner_since;
        // When an event last named its owner, or granted it; for owner_ttl, so not each time.
        Position named;
        bool is_noted = false;  // `named` is stored by itself
    };
    struct Subject : Facts {
        std::vector<Grant> grants;  // in no order
    };
    // What an event changed of a subject, as it was before.
    struct Before {
        std::string name;
        std::optional<Facts> facts;  // none: the subject was not known
        // The grants that changed, in the order of the changes; `since` 0: there was none.
        std::vector<Grant> grants;
    };
    // Its elements lie within it: a start with millions of subjects makes no allocation for each.
    using Table = boost::unordered_flat_map<std::string, Subject, StringHash, std::equal_to<>>;
    // Where the log stood when the server had run for that long, in all its lives.
    struct Mark {
        Position position;
        std::chrono::milliseconds ran;
    };

    bool load_one(const StoredView& stored, Table& table);
    Result<Bound> apply(Plan&& plan, Position position, const Subject* known,
                        const std::vector<std::string>& lapsed);
    Result<> check_publisher(const Plan& plan, const Subject* subject);
    Result<> check_bounds(const Plan& plan, const Subject* subject, std::size_t lapsed);
    static std::size_t grants_after(const Plan& plan, const Subject* subject);
    void warn_when_nearly_full();
    static bool names_new(const Plan& plan, const Subject* subject);
    static bool names_another(const Plan& plan, const Subject* subject);
    void note_conflict(const Entry& entry);
    void apply_owner(const Plan& plan, Subject& subject, Bound& bound);
    void end_strangers_grants(Subject& subject, Bound& bound);
    void apply_grants(const Plan& plan, Subject& subject, Bound& bound);
    void end_grant(const std::string& name, Subject& subject, std::size_t index, Bound& bound);
    static std::size_t find_grant(const std::vector<Grant>& grants, const Room& who);
    bool names_late(const Plan& plan, const Subject* subject) const;
    void end_all(const std::string& name, Subject& subject, Bound& bound);

    // subjects_age.cpp: owner_ttl
    bool has_ttl() const { return settings_.owner_ttl.count() > 0; }
    std::chrono::milliseconds ran() const;
    std::chrono::milliseconds mark_every() const;
    Position lapsed_through() const;
    std::vector<std::string> find_lapsed(const Plan& plan, bool is_new);
    void set_mark(Position position, Bound& bound);
    void load_mark(Position position, std::chrono::milliseconds ran);
    void remember(const std::string& subject);
    static void put_back(Grant&& before, std::vector<Grant>& grants);
    static std::vector<Room> rooms_of(const WatchQuestion& question);

    const Settings settings_;
    Sharded<Table> subjects_;
    std::vector<Before> undo_;        // since the last commit(), in the order of the changes
    std::size_t warned_percent_ = 0;  // of owners_max
    // With owner_ttl.
    std::deque<Mark> marks_;                      // oldest first; at most kMarks and two more
    std::optional<std::deque<Mark>> undo_marks_;  // as they were
    std::chrono::milliseconds ran_before_{0};     // in earlier lives
    Clock::Time began_;                           // this one
    std::size_t part_ = 0;                        // where the next look begins
    std::string next_;                            // of that part; not there: its first
    BindProbe probe_;
};

}  // namespace eventbus
