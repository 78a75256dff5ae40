#pragma once

#include <cstddef>
#include <cstdint>
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
//          of a further one, or grants it, is refused with kTooMany. Grants of one subject, by
//          grants_max, in the same way. A subject costs about 200 bytes, a grant 60.
// Cost:    O(1), and O(grants of the subject) for an event that grants or revokes.
// Invariants:
//   (1) The first event that names an owner fixes it; another changes it only by `transfer`.
//   (2) An entry that takes a right away carries the eviction.
class Subjects final : public Binder {
 public:
    struct Settings {
        std::size_t owners_max = 10'000'000;
        std::size_t grants_max = 1'000;
    };

    explicit Subjects(Settings settings) : settings_(settings) {}

    // Errors: kForbidden, the publisher must own the subject and does not; kTooMany.
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
    };
    struct Subject {
        std::string owner;  // a user's id, or empty
        Position owner_since;
        std::vector<Grant> grants;
    };

    Result<Bound> apply(Plan&& plan, Position position, const Subject* known);
    Result<> check_publisher(const Plan& plan, const Subject* subject);
    Result<> check_bounds(const Plan& plan, const Subject* subject);
    static bool names_new(const Plan& plan, const Subject* subject);
    static bool names_another(const Plan& plan, const Subject* subject);
    void note_conflict(const Entry& entry);
    void apply_owner(const Plan& plan, Subject& subject, Bound& bound);
    void apply_grants(const Plan& plan, Subject& subject, Bound& bound);
    void remember(const std::string& subject);
    static bool is_of(const WatchQuestion& question, const Room& who);

    const Settings settings_;
    Sharded<StringMap<Subject>> subjects_;
    std::vector<std::pair<std::string, std::optional<Subject>>>
        undo_;  // as it was; none: not there
    BindProbe probe_;
};

}  // namespace eventbus
