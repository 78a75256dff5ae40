#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
// Thread:  the sequencer's turn (Watches and Log see to it); load() before the first.
// Bounded: subjects that are owned or granted, by owners_max: past it an event that names the owner
//          of a further one, or grants it, is refused with kUnavailable, which an operator can
//          change, and is warned of from four fifths on. Grants of one subject, by grants_max:
//          past it kTooMany. A subject costs about 200 bytes, a grant 80.
// Cost:    O(1), and O(grants of the subject) for an event that grants or revokes.
// Invariants:
//   (1) The first event that names an owner fixes it; another changes it only by `transfer`.
//   (2) An entry that takes a right away carries the eviction.
//   (3) What a user granted before anybody owned the subject ends when another becomes its owner.
class Subjects final : public Binder {
 public:
    struct Settings {
        std::size_t owners_max = 10'000'000;
        std::size_t grants_max = 1'000;
    };

    explicit Subjects(Settings settings) : settings_(settings) {}

    // Errors: kForbidden, the publisher must own the subject and does not; kUnavailable
    // (owners_max); kTooMany (grants_max).
    Result<Bound> bind(Plan&& plan, Position position) override;
    void commit() override { undo_.clear(); }
    void undo() override;
    Result<> load(std::string_view key, std::string_view value) override;

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
    struct Subject {
        std::string owner;  // a user's id, or empty
        Position owner_since;
        std::vector<Grant> grants;
    };

    Result<Bound> apply(Plan&& plan, Position position, const Subject* known);
    Result<> check_publisher(const Plan& plan, const Subject* subject);
    Result<> check_bounds(const Plan& plan, const Subject* subject);
    void warn_when_nearly_full();
    static bool names_new(const Plan& plan, const Subject* subject);
    static bool names_another(const Plan& plan, const Subject* subject);
    void note_conflict(const Entry& entry);
    void apply_owner(const Plan& plan, Subject& subject, Bound& bound);
    void end_strangers_grants(Subject& subject, Bound& bound);
    void apply_grants(const Plan& plan, Subject& subject, Bound& bound);
    std::vector<Grant>::iterator end_grant(Subject& subject, std::vector<Grant>::iterator grant,
                                           Bound& bound);
    void apply_disown(Subject& subject, Bound& bound);
    void remember(const std::string& subject);
    static bool is_of(const WatchQuestion& question, const Room& who);

    const Settings settings_;
    Sharded<StringMap<Subject>> subjects_;
    std::vector<std::pair<std::string, std::optional<Subject>>>
        undo_;                        // as it was; none: not there
    std::size_t warned_percent_ = 0;  // of owners_max
    BindProbe probe_;
};

}  // namespace eventbus
