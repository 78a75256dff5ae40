// What groups read: the tail as it grows, what the tail still holds, and the log.

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "groups/home.h"

namespace eventbus {
namespace {

constexpr std::size_t kTypesCached = 4096;  // then the cache begins anew
constexpr std::size_t kScanMax = 4096;      // entries of the tail looked at for one group at once
constexpr auto kReadPause = std::chrono::milliseconds(100);  // after a read that gave nothing
constexpr auto kTellOfLoss = std::chrono::minutes(1);        // of one group, not more often
constexpr auto kRecordPause = std::chrono::seconds(5);  // how far an idle group's cursor may lag

}  // namespace

View::Next Groups::deliver() {
    BUS_ASSERT(owner_.is_here());
    const bool has_more = read_tail();
    run_due(context_.clock.now());
    pump();
    return {.more = has_more || !touched_.empty() ? More::kAfterWrites : More::kNo,
            .at = next_due()};
}

// True: there is more.
bool Groups::read_tail() {
    LogReader& reader = context_.reader;
    const Position before = fed_through_;
    for (std::size_t i = 0; i < settings_.entries_per_turn; ++i) {
        const SharedEntry* const entry = reader.next();
        if (entry == nullptr) break;
        on_entry(*entry);
    }
    fed_through_ = reader.cursor();
    if (fed_through_ > before && !records_at_ && !homes_.empty()) {
        records_at_ = context_.clock.now() + kRecordPause;
    }
    return reader.peek() != nullptr;
}

void Groups::on_entry(const SharedEntry& entry) {
    const Position position = entry->position;
    for (Home* home : matching(entry->event.type)) {
        Group& group = home->group;
        if (position <= group.read_through()) continue;
        if (home->at_tail && group.has_room()) {
            group.take(entry);
            home->counted_through = std::max(home->counted_through, position);
            touch(*home);
            continue;
        }
        if (std::exchange(home->at_tail, false)) group.skip_to(fed_through_);
        if (position <= home->counted_through) continue;  // an earlier life has counted it
        group.note_unread(position, entry->durability == Durability::kTransient);
        home->counted_through = position;
        home->probe->lag.set(group.lag());
    }
    fed_through_ = position;
}

const std::vector<Groups::Home*>& Groups::matching(const std::string& type) {
    const auto found = by_type_.find(type);
    if (found != by_type_.end()) return found->second;
    if (by_type_.size() >= kTypesCached) by_type_.clear();
    std::vector<Home*> homes;
    for (const auto& [name, home] : homes_) {
        if (matches(home->key->topic, type)) homes.push_back(home.get());
    }
    return by_type_.emplace(type, std::move(homes)).first->second;
}

// Reads what comes next. True: the group has more than before; false: it has no room, there is
// nothing, or it is on its way.
bool Groups::read_on(Home& home) {
    Group& group = home.group;
    if (home.at_tail || home.reading || home.paused_until || !group.has_room()) return false;
    if (group.read_through() >= context_.reader.tail().kept_after()) return read_on_in_tail(home);
    home.reading = true;
    context_.log.read(group.read_through(), settings_.page_max, context_.reactor,
                      [this, home = home.shared_from_this()](Result<Page> page) {
                          on_page(*home, std::move(page));
                      });
    return false;
}

// The tail still holds all that the group has not read, transient events too.
bool Groups::read_on_in_tail(Home& home) {
    Group& group = home.group;
    const std::size_t pending_before = group.pending();
    std::size_t scanned = 0;
    Position through = fed_through_;
    bool is_whole = true;
    context_.reader.tail().for_each_after(
        group.read_through(), true, {}, [&](const SharedEntry& entry) {
            const bool is_wanted = home.wants(*entry);
            is_whole = ++scanned <= kScanMax && (!is_wanted || group.has_room());
            if (!is_whole) {
                through = entry->position - 1;
            } else if (is_wanted) {
                group.take(entry);
            }
            return is_whole;
        });
    tell_of_loss(home, group.skip_to(through));
    home.at_tail = is_whole && group.read_through() >= fed_through_;
    if (scanned > kScanMax) touch(home);  // the rest in another turn
    return group.pending() > pending_before;
}

void Groups::on_page(Home& home, Result<Page> page) {
    BUS_ASSERT(owner_.is_here());
    home.reading = false;
    if (home.has_ended) return;
    Group& group = home.group;
    const Position before = group.read_through();
    if (!page) {
        pause(home);
    } else {
        // What the tail holds is taken from there: the log has no transient events.
        Position through = std::min(page->through, context_.reader.tail().kept_after());
        for (SharedEntry& entry : page->entries) {
            if (entry->position > through) break;
            if (entry->position <= group.read_through() || !home.wants(*entry)) continue;
            if (!group.has_room()) {
                through = entry->position - 1;
                break;
            }
            group.take(std::move(entry));
        }
        tell_of_loss(home, group.skip_to(through));
        if (group.read_through() == before && group.has_room()) pause(home);
    }
    touch(home);
    pump();
}

void Groups::pause(Home& home) {
    probe_.read_failures.add();
    home.paused_until = context_.clock.now() + kReadPause;
    set_alarm(home, *home.paused_until);
}

// Gets what is to be given out again. True and false as of read_on().
bool Groups::load_retries(Home& home) {
    if (home.loading || home.paused_until) return false;
    std::optional<Group::Span> span = home.group.wanted(settings_.page_max);
    if (!span) return false;
    const TailReader& reader = context_.reader.tail();
    if (span->first > reader.kept_after() && span->first <= reader.cursor()) {
        return load_retries_of_tail(home, *span);
    }
    home.loading = true;
    context_.log.read(span->first - 1, span->count, context_.reactor,
                      [this, home = home.shared_from_this(), first = span->first](
                          Result<Page> page) { on_retries(*home, first, std::move(page)); });
    return false;
}

bool Groups::load_retries_of_tail(Home& home, Group::Span span) {
    const Position last = std::min(span.first + (span.count - 1), context_.reader.tail().cursor());
    Position through = last;
    std::vector<SharedEntry> entries;
    std::size_t bytes = 0;
    context_.reader.tail().for_each_after(span.first - 1, true, {}, [&](const SharedEntry& entry) {
        if (entry->position > last) return false;
        if (bytes >= settings_.pending_bytes_max) {
            through = entry->position - 1;
            return false;
        }
        if (home.group.flight(entry->position) != nullptr) {
            bytes += size_of(*entry);
            entries.push_back(entry);
        }
        return true;
    });
    tell_of_loss(home, home.group.loaded(entries, span.first, through));
    return true;
}

void Groups::on_retries(Home& home, Position first, Result<Page> page) {
    BUS_ASSERT(owner_.is_here());
    home.loading = false;
    if (home.has_ended) return;
    if (!page || page->through < first) {
        pause(home);
    } else {
        // Of what the tail holds by now, the log has only the durable part.
        const Position kept_after = context_.reader.tail().kept_after();
        Position through = page->through;
        if (through > kept_after && kept_after >= first) through = kept_after;
        tell_of_loss(home, home.group.loaded(page->entries, first, through));
    }
    touch(home);
    pump();
}

void Groups::tell_of_loss(Home& home, const Backlog::Count& gone) {
    if (gone.total() == 0) return;
    const Clock::Time now = context_.clock.now();
    if (home.told_of_loss && now - *home.told_of_loss < kTellOfLoss) return;
    home.told_of_loss = now;
    diagnostics::warn(
        "events were gone before a group had handled them: retention took the durable ones (keep "
        "them longer, or add members), and the transient ones fell out of memory",
        {{"group", to_string(*home.key)},
         {"durable", std::to_string(gone.durable)},
         {"transient", std::to_string(gone.transient)}});
}

}  // namespace eventbus
