#include "bus/subjects.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "event/subject.h"
#include "log/bytes.h"

// What is stored, NUL between the parts (no subject and no room's key holds one):
//
//   "o" subject               → position (8 bytes), the owner's id
//   "n" subject               → position (8 bytes) at which its owner was named again, late enough
//                               for owner_ttl
//   "t" position (8 bytes)    → how long a server had run then, in ms (8 bytes), for owner_ttl
//   "g" subject NUL room key  → position (8 bytes), the user's id that granted it if nobody owned
//                               the subject then

namespace eventbus {
namespace {

constexpr std::string_view kUserKey = "user:";

// The id of a user that published; empty: a service did.
std::string_view user_of(const std::string& publisher) {
    if (!publisher.starts_with(kUserKey)) return {};
    return std::string_view(publisher).substr(kUserKey.size());
}

std::shared_ptr<const std::string> shared(std::string_view text) {
    return text.empty() ? nullptr : std::make_shared<const std::string>(text);
}

std::string owner_key(const std::string& subject) { return 'o' + subject; }

std::string named_key(const std::string& subject) { return 'n' + subject; }

std::string grant_key(const std::string& subject, const Room& who) {
    std::string key = 'g' + subject;
    key.append(1, '\0').append(who.key());
    return key;
}

std::string since_value(Position since, std::string_view rest = {}) {
    std::string value;
    put_fixed(value, since.number());
    value.append(rest);
    return value;
}

// The subject of a key of a stored owner, name or grant.
std::string_view subject_in(std::string_view key) {
    return key.substr(0, key.find('\0', 1)).substr(key.empty() ? 0 : 1);
}

// The parts of an entry that need no table.
void set_entry(Entry& entry, Plan& plan, Position position) {
    entry.position = position;
    entry.event = std::move(plan.event);
    entry.name = std::move(plan.name);
    entry.variants = std::move(plan.variants);
    entry.durability = plan.durability;
    entry.latest = plan.latest;
    entry.retention = plan.retention;
    entry.publisher = std::move(plan.publisher);
    entry.has_client_id = plan.has_client_id;
    entry.content_hash = plan.content_hash;
}

void set_deliveries(std::vector<Target>& audience, const std::string& owner, Entry& entry) {
    entry.deliveries.reserve(audience.size());
    for (Target& target : audience) {
        if (target.to == Target::To::kRoom) {
            entry.deliveries.push_back({std::move(target.room), target.variant});
        } else if (!owner.empty()) {
            entry.deliveries.push_back({Room::user(owner), target.variant});
        } else {
            entry.unowned = true;
        }
    }
}

}  // namespace

Subjects::Subjects(Settings settings)
    : settings_(settings), began_(has_ttl() ? settings_.clock->now() : Clock::Time()) {}

Result<Bound> Subjects::bind(Plan&& plan, Position position) {
    const auto* const found = subjects_.find(plan.event.subject);
    const Subject* const known = found == nullptr ? nullptr : &found->second;
    if (Result<> may = check_publisher(plan, known); !may) return may.error();
    const std::vector<std::string> lapsed = find_lapsed(plan, known == nullptr);
    if (Result<> fits = check_bounds(plan, known, lapsed.size()); !fits) return fits.error();
    return apply(std::move(plan), position, known, lapsed);
}

Result<Bound> Subjects::apply(Plan&& plan, Position position, const Subject* known,
                              const std::vector<std::string>& lapsed) {
    const bool is_conflict = names_another(plan, known);
    const bool has_changes = !plan.grants.empty() || (!is_conflict && names_new(plan, known)) ||
                             (plan.disown && known != nullptr) || names_late(plan, known);
    Bound bound{std::make_shared<Entry>(), {}};
    Entry& entry = *bound.entry;
    set_entry(entry, plan, position);
    if (is_conflict) note_conflict(entry);
    if (has_changes) {
        const std::string& subject = entry.event.subject;
        remember(subject);
        Subject& changed = subjects_[subject];
        if (names_late(plan, &changed)) {
            changed.named = position;
            changed.is_noted = true;
            bound.changes.push_back({named_key(subject), since_value(position)});
        }
        apply_owner(plan, changed, bound);
        apply_grants(plan, changed, bound);
        set_deliveries(plan.audience, changed.owner, entry);
        if (plan.disown) {
            probe_.disowned.add(changed.owner.empty() ? 0 : 1);
            end_all(subject, changed, bound);
        }
        if (changed.owner.empty() && changed.grants.empty()) subjects_.erase(subject);
        probe_.subjects.set(subjects_.size());
        warn_when_nearly_full();
    } else {
        set_deliveries(plan.audience, known == nullptr ? std::string() : known->owner, entry);
    }
    for (const std::string& name : lapsed) {
        remember(name);
        probe_.lapsed.add();
        end_all(name, subjects_[name], bound);
        subjects_.erase(name);
        probe_.subjects.set(subjects_.size());
    }
    if (has_ttl() && !plan.owner.empty()) set_mark(position, bound);
    if (entry.unowned) probe_.unowned.add();
    probe_.evictions.add(entry.evictions.size());
    return bound;
}

Result<> Subjects::check_publisher(const Plan& plan, const Subject* subject) {
    if (!plan.publisher_must_own) return {};
    BUS_ASSERT(plan.publisher.starts_with(kUserKey));
    const bool is_owned = subject != nullptr && !subject->owner.empty();
    const std::string& owner = is_owned ? subject->owner : plan.owner;
    if (!owner.empty() && owner == user_of(plan.publisher)) return {};
    probe_.refused_not_owner.add();
    return Error{ErrorCode::kForbidden,
                 plan.event.type + " may be published by a user who owns its subject only"};
}

// `lapsed` subjects end with it.
Result<> Subjects::check_bounds(const Plan& plan, const Subject* subject, std::size_t lapsed) {
    if (plan.disown) return {};  // it leaves nothing
    const std::size_t before = subject == nullptr ? 0 : subject->grants.size();
    // To count them takes a look at each grant of the subject for each of the event.
    const bool may_pass_bounds =
        subject == nullptr || before + plan.grants.size() > settings_.grants_max;
    const std::size_t after = may_pass_bounds ? grants_after(plan, subject) : before;
    if (subject == nullptr && (!plan.owner.empty() || after > 0) &&
        subjects_.size() - lapsed >= settings_.owners_max) {
        probe_.refused_bound.add();
        return Error{ErrorCode::kUnavailable,
                     "the server knows the owners of as many subjects as it may (owners_max " +
                         std::to_string(settings_.owners_max) +
                         "); its operator has to raise that, or let ownership end (owner_ttl, or "
                         "`disown: true` in the catalog)"};
    }
    if (after > before && after > settings_.grants_max) {
        probe_.refused_bound.add();
        return Error{ErrorCode::kTooMany, plan.event.subject + " is granted to " +
                                              std::to_string(settings_.grants_max) +
                                              " already; revoke some, or grant it to a role"};
    }
    return {};
}

// How many grants the subject has after the event: one that stands already takes no place.
std::size_t Subjects::grants_after(const Plan& plan, const Subject* subject) {
    static const std::vector<Grant> kNone;
    const std::vector<Grant>& grants = subject == nullptr ? kNone : subject->grants;
    std::size_t count = grants.size();
    for (auto change = plan.grants.begin(); change != plan.grants.end(); ++change) {
        const bool is_changed_again =
            std::any_of(change + 1, plan.grants.end(),
                        [&](const GrantChange& later) { return later.who == change->who; });
        const bool is_granted = find_grant(grants, change->who) < grants.size();
        if (is_changed_again || is_granted != change->revoke) continue;
        count += change->revoke ? ~std::size_t{0} : std::size_t{1};
    }
    return count;
}

// Once for each step that it climbs over.
void Subjects::warn_when_nearly_full() {
    const std::size_t percent = subjects_.size() * 100 / settings_.owners_max;
    if (percent < 75) warned_percent_ = 0;
    for (const std::size_t step : {std::size_t{95}, std::size_t{80}}) {
        if (percent < step || warned_percent_ >= step) continue;
        warned_percent_ = step;
        return diagnostics::warn(
            "the server will soon know the owners of as many subjects as it may: events that name "
            "a further one are refused then; raise owners_max, or let ownership end "
            "(owner_ttl, or `disown: true` in the catalog)",
            {{"subjects", std::to_string(subjects_.size())},
             {"owners_max", std::to_string(settings_.owners_max)}});
    }
}

// Whether it names an owner whom the subject does not have, but may have.
bool Subjects::names_new(const Plan& plan, const Subject* subject) {
    return !plan.owner.empty() && (subject == nullptr || subject->owner != plan.owner);
}

// Whether it names another owner than the one who stays.
bool Subjects::names_another(const Plan& plan, const Subject* subject) {
    return !plan.transfer && subject != nullptr && !subject->owner.empty() &&
           names_new(plan, subject);
}

// Who names another owner is wrong or up to something; each is counted, and now and then said.
void Subjects::note_conflict(const Entry& entry) {
    probe_.owner_conflicts.add();
    if (!std::has_single_bit(probe_.owner_conflicts.get())) return;
    diagnostics::warn(
        "an event named another owner for a subject that has one, and changed nothing",
        {{"type", entry.event.type},
         {"publisher", entry.publisher},
         {"so_far", std::to_string(probe_.owner_conflicts.get())}});
}

void Subjects::apply_owner(const Plan& plan, Subject& subject, Bound& bound) {
    if (!names_new(plan, &subject) || names_another(plan, &subject)) return;
    const std::string& name = bound.entry->event.subject;
    const bool is_first = subject.owner.empty();
    if (!is_first) {
        bound.entry->evictions.push_back({name, Room::user(subject.owner)});
        probe_.transfers.add();
    }
    subject.owner = plan.owner;
    subject.owner_since = subject.named = bound.entry->position;
    bound.changes.push_back({owner_key(name), since_value(subject.owner_since, subject.owner)});
    if (is_first) end_strangers_grants(subject, bound);
}

// Whoever comes first must not decide for the owner who may watch.
void Subjects::end_strangers_grants(Subject& subject, Bound& bound) {
    const std::string& name = bound.entry->event.subject;
    for (std::size_t i = subject.grants.size(); i-- > 0;) {
        Grant& grant = subject.grants[i];
        if (!grant.by_user) continue;
        if (*grant.by_user != subject.owner) {
            end_grant(name, subject, i, bound);
            continue;
        }
        undo_.back().grants.push_back(grant);
        grant.by_user = nullptr;
        bound.changes.push_back({grant_key(name, grant.who), since_value(grant.since)});
    }
}

// The last grant takes its place.
void Subjects::end_grant(const std::string& name, Subject& subject, std::size_t index,
                         Bound& bound) {
    std::swap(subject.grants[index], subject.grants.back());
    Grant& grant = subject.grants.back();
    bound.entry->evictions.push_back({name, grant.who});
    bound.changes.push_back({grant_key(name, grant.who), std::nullopt});
    undo_.back().grants.push_back(std::move(grant));
    subject.grants.pop_back();
    probe_.revokes.add();
}

// Nobody owns it then, and nobody is granted it.
void Subjects::end_all(const std::string& name, Subject& subject, Bound& bound) {
    for (std::size_t i = subject.grants.size(); i-- > 0;) end_grant(name, subject, i, bound);
    if (std::exchange(subject.is_noted, false)) {
        bound.changes.push_back({named_key(name), std::nullopt});
    }
    if (subject.owner.empty()) return;
    bound.entry->evictions.push_back({name, Room::user(subject.owner)});
    bound.changes.push_back({owner_key(name), std::nullopt});
    subject.owner.clear();
}

void Subjects::apply_grants(const Plan& plan, Subject& subject, Bound& bound) {
    const std::string& name = bound.entry->event.subject;
    for (const GrantChange& change : plan.grants) {
        const std::size_t at = find_grant(subject.grants, change.who);
        const bool is_granted = at < subject.grants.size();
        if (change.revoke) {
            if (is_granted) end_grant(name, subject, at, bound);
        } else if (!is_granted) {
            const std::string_view by =
                subject.owner.empty() ? user_of(bound.entry->publisher) : std::string_view();
            undo_.back().grants.push_back({change.who, Position(), nullptr});
            subject.grants.push_back({change.who, bound.entry->position, shared(by)});
            subject.named = bound.entry->position;
            bound.changes.push_back(
                {grant_key(name, change.who), since_value(bound.entry->position, by)});
            probe_.grants.add();
        }
    }
}

// Where the grant of `who` is; past the end: there is none.
std::size_t Subjects::find_grant(const std::vector<Grant>& grants, const Room& who) {
    const auto found = std::find_if(grants.begin(), grants.end(),
                                    [&](const Grant& grant) { return grant.who == who; });
    return static_cast<std::size_t>(found - grants.begin());
}

// Before an event changes it; the grants that change are added as they do.
void Subjects::remember(const std::string& subject) {
    const auto* const found = subjects_.find(subject);
    undo_.push_back(
        {subject, found == nullptr ? std::nullopt : std::optional<Facts>(found->second), {}});
}

void Subjects::undo() {
    for (; !undo_.empty(); undo_.pop_back()) {
        Before& before = undo_.back();
        if (!before.facts) {
            subjects_.erase(before.name);
            continue;
        }
        Subject& subject = subjects_[before.name];
        static_cast<Facts&>(subject) = std::move(*before.facts);
        for (; !before.grants.empty(); before.grants.pop_back()) {
            put_back(std::move(before.grants.back()), subject.grants);
        }
    }
    if (undo_marks_) marks_ = *std::exchange(undo_marks_, std::nullopt);
    probe_.subjects.set(subjects_.size());
}

void Subjects::put_back(Grant&& before, std::vector<Grant>& grants) {
    const std::size_t at = find_grant(grants, before.who);
    const bool was_there = !before.since.is_before_first();
    if (at == grants.size()) {
        if (was_there) grants.push_back(std::move(before));
    } else if (was_there) {
        grants[at] = std::move(before);
    } else {
        std::swap(grants[at], grants.back());
        grants.pop_back();
    }
}

void Subjects::commit() {
    undo_.clear();
    undo_marks_.reset();
}

Result<> Subjects::load(std::span<const StoredView> stored) {
    // One part of the table after another: where all of it is in reach, an element costs less than
    // in a table of gigabytes.
    constexpr std::size_t kParts = decltype(subjects_)::kShards;
    constexpr std::size_t kFirst = 0;  // whoever has it has the marks and the probe, too
    std::array<std::size_t, kParts + 1> ends{};
    std::vector<std::size_t> parts;
    parts.reserve(stored.size());
    for (const auto& [key, value] : stored) {
        parts.push_back(key.starts_with('t') ? kFirst : subjects_.part_of(subject_in(key)));
        ++ends[parts.back() + 1];
    }
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    std::vector<const StoredView*> order(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) order[ends[parts[i]]++] = &stored[i];

    bool is_fine = true;
    for (std::size_t part = 0, at = 0; part < kParts && is_fine; ++part) {
        if (at == ends[part]) continue;
        subjects_.change_part(part, [&](Table& table) {
            for (; at < ends[part]; ++at) is_fine = load_one(*order[at], table) && is_fine;
        });
    }
    subjects_.change_part(kFirst, [&](Table&) { probe_.subjects.set(subjects_.size()); });
    if (is_fine) return {};
    return Error{ErrorCode::kInternal,
                 "what the log knows of owners and grants is damaged; move the folder log/ out of "
                 "the data directory, or restore it from a backup"};
}

// `table`: the part that has its subject; of a mark, the first. False: it is damaged.
bool Subjects::load_one(const StoredView& stored, Table& table) {
    const auto& [key, value] = stored;
    ByteReader reader(value);
    const Position since(reader.fixed());
    const std::string_view rest = reader.rest();
    if (!reader.is_fine() || key.size() < 2) return false;
    if (key[0] == 't') {
        ByteReader stamp(key.substr(1));
        load_mark(Position(stamp.fixed()), std::chrono::milliseconds(since.number()));
        return stamp.is_at_end() && rest.empty();
    }
    const std::string_view name = subject_in(key);
    const std::string_view who = key.substr(std::min(name.size() + 2, key.size()));
    const bool has_who = key.size() > name.size() + 1;
    Subject& subject = table[std::string(name)];
    subject.named = std::max(subject.named, since);
    if (key[0] == 'n' && !has_who && rest.empty()) {
        subject.is_noted = true;
    } else if (key[0] == 'o' && !has_who && !rest.empty()) {
        subject.owner = rest;
        subject.owner_since = since;
    } else if (key[0] == 'g' && who.size() > 2) {
        subject.grants.push_back({Room::from_key(std::string(who)), since, shared(rest)});
    } else {
        return false;
    }
    return true;
}

Result<Position> Subjects::may_watch(const WatchQuestion& question) const {
    const WatchRule& rule = question.rule;
    if (rule.everyone || question.may_consume_all || (rule.permission && question.holds_permission))
        return Position();
    for (const std::string& role : question.roles) {
        if (std::find(rule.roles.begin(), rule.roles.end(), role) != rule.roles.end()) {
            return Position();
        }
    }
    // Of several rights, the oldest: what each of them shows is shown.
    std::optional<Position> since;
    const auto by = [&](Position position) {
        since = std::min(since.value_or(position), position);
    };
    if (const auto* const found = subjects_.find(question.subject); found != nullptr) {
        const Subject& subject = found->second;
        if (rule.owner && !question.user.empty() && subject.owner == question.user) {
            by(subject.owner_since);
        }
        const std::vector<Room> own =
            subject.grants.empty() ? std::vector<Room>() : rooms_of(question);
        for (const Grant& grant : subject.grants) {
            if (std::binary_search(own.begin(), own.end(), grant.who)) by(grant.since);
        }
    }
    if (since) return *since;
    return Error{ErrorCode::kForbidden,
                 "this token may not watch " + question.subject + ", or nobody owns it yet"};
}

// To whom a grant may be that lets the asker watch, sorted.
std::vector<Room> Subjects::rooms_of(const WatchQuestion& question) {
    std::vector<Room> rooms;
    rooms.reserve(1 + question.roles.size());
    if (!question.user.empty()) rooms.push_back(Room::user(question.user));
    for (const std::string& role : question.roles) rooms.push_back(Room::role(role));
    std::sort(rooms.begin(), rooms.end());
    return rooms;
}

std::string_view Subjects::owner(std::string_view subject) const {
    const auto* const found = subjects_.find(subject);
    return found == nullptr ? std::string_view() : found->second.owner;
}

}  // namespace eventbus
