// owner_ttl: what ends since it was not named for so long.
//
// A subject knows the position at which it was named last, and marks tell at which position the log
// stood when a server had run for how long. So nothing is written for a subject as it ages.

#include <algorithm>

#include "base/assert.h"
#include "bus/subjects.h"
#include "log/bytes.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr int kMarks = 32;                // in owner_ttl: it ends by so much of it too late
constexpr std::size_t kVisits = 8;        // parts of the table that an event looks at
constexpr std::size_t kVisitsFull = 512;  // of a table that is full
constexpr std::size_t kLapsedMax = 4;     // subjects that end with one event

std::string mark_key(Position position) {
    std::string key(1, 't');
    put_fixed(key, position.number());
    return key;
}

}  // namespace

milliseconds Subjects::ran() const {
    return ran_before_ + std::chrono::duration_cast<milliseconds>(settings_.clock->now() - began_);
}

milliseconds Subjects::mark_every() const {
    return std::max(settings_.owner_ttl / kMarks, milliseconds(1));
}

// What was named last up to here has lapsed.
Position Subjects::lapsed_through() const {
    const milliseconds now = ran();
    Position through;
    for (const Mark& mark : marks_) {
        if (mark.ran + settings_.owner_ttl <= now) through = mark.position;
    }
    return through;
}

// Whether it names the owner of a subject again, so long after the last time that it is to be
// noted.
bool Subjects::names_late(const Plan& plan, const Subject* subject) const {
    if (!has_ttl() || plan.owner.empty() || subject == nullptr || subject->owner != plan.owner) {
        return false;
    }
    return !marks_.empty() && subject->named <= marks_.back().position;
}

// The next subjects that end with an event of this plan.
std::vector<std::string> Subjects::find_lapsed(const Plan& plan, bool is_new) {
    std::vector<std::string> found;
    if (!has_ttl() || (plan.owner.empty() && plan.grants.empty())) return found;
    const Position through = lapsed_through();
    if (through.is_before_first()) return found;
    const bool is_full = is_new && subjects_.size() >= settings_.owners_max;
    for (std::size_t visits = is_full ? kVisitsFull : kVisits; visits > 0;) {
        const Table& part = subjects_.part(part_);
        auto at = part.find(next_);
        if (at == part.end()) at = part.begin();
        for (; at != part.end() && visits > 0; ++at, --visits) {
            if (at->second.named > through || at->first == plan.event.subject) continue;
            found.push_back(at->first);
            if (is_full || found.size() == kLapsedMax) visits = 1;
        }
        if (at != part.end()) {
            next_ = at->first;
            break;
        }
        next_.clear();
        part_ = (part_ + 1) % decltype(subjects_)::kShards;
        visits -= std::min<std::size_t>(visits, 1);
    }
    return found;
}

// Notes where the log stands, if the last mark is old enough.
void Subjects::set_mark(Position position, Bound& bound) {
    const milliseconds now = ran();
    if (!marks_.empty() && now - marks_.back().ran < mark_every()) return;
    if (!undo_marks_) undo_marks_ = marks_;
    // Of those that are older than owner_ttl one is enough.
    while (marks_.size() > 1 && marks_[1].ran + settings_.owner_ttl <= now) {
        bound.changes.push_back({mark_key(marks_.front().position), std::nullopt});
        marks_.pop_front();
    }
    std::string value;
    put_fixed(value, static_cast<std::uint64_t>(now.count()));
    bound.changes.push_back({mark_key(position), std::move(value)});
    marks_.push_back({position, now});
}

void Subjects::load_mark(Position position, milliseconds ran) {
    const auto at = std::find_if(marks_.begin(), marks_.end(),
                                 [&](const Mark& mark) { return mark.position > position; });
    marks_.insert(at, {position, ran});
    ran_before_ = std::max(ran_before_, ran);
}

}  // namespace eventbus
