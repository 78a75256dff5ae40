#include "log/memory_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "base/hash.h"
#include "log/entry_codec.h"

namespace eventbus {

void MemoryDisk::begin_epoch(Position end_of_last) {
    epochs = epochs.next("memory" + std::to_string(++lives), end_of_last);
}

void MemoryDisk::end_copy(std::uint64_t lives_of_other) {
    lives = std::max(lives, lives_of_other);
    const Position begin = epochs.past().empty() ? Position() : epochs.past().back().end;
    const Position newest = entries.empty() ? Position() : entries.rbegin()->first;
    begin_epoch(std::max(begin, newest));
}

MemoryLog::MemoryLog(MemoryDisk& disk, Binder& binder, const Clock& clock, Settings settings)
    : disk_(disk),
      clock_(clock),
      settings_(settings),
      tail_(settings.tail_bytes_max),
      sequencer_({binder, tail_, clock, probe_}, settings.sequencer) {
    load(binder);
}

void MemoryLog::load(Binder& binder) {
    for (const auto& [key, value] : disk_.changes) {
        const StoredView stored{key, value};
        const Result<> loaded = binder.load({&stored, 1});
        BUS_ASSERT(loaded.has_value());
    }
    std::vector<std::pair<std::string, MemoryDisk::Key>> keys(disk_.dedupe_keys.begin(),
                                                              disk_.dedupe_keys.end());
    std::sort(keys.begin(), keys.end(),
              [](const auto& a, const auto& b) { return a.second.position < b.second.position; });
    for (auto& [key, seen] : keys) {
        sequencer_.dedupe().add(key, {seen.position, seen.content_hash, seen.unowned, true},
                                seen.at);
    }
    sequencer_.dedupe().commit();

    Position before = disk_.lost_through;
    auto at = disk_.entries.upper_bound(before);
    const auto count = static_cast<std::size_t>(std::distance(at, disk_.entries.end()));
    for (std::size_t skipped = 0; skipped + settings_.tail_entries_max < count; ++skipped) {
        before = (at++)->first;
    }
    for (; at != disk_.entries.end(); ++at) {
        Result<Entry> entry = decode_entry(at->first, at->second);
        BUS_ASSERT(entry.has_value());
        recent_.push_back(std::make_shared<const Entry>(std::move(*entry)));
    }
    if (disk_.reserved > Position()) disk_.begin_epoch(disk_.reserved);
    tail_.start_at(before);
    sequencer_.start_at(disk_.reserved);
    disk_.reserved += settings_.reserve;
    sequencer_.reserve(disk_.reserved);
}

void MemoryLog::start() {
    for (SharedEntry& entry : std::exchange(recent_, {})) tail_.push(std::move(entry));
    tail_.advance_to(sequencer_.head());
    tail_.wake_readers();
}

void MemoryLog::append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) {
    take_turn([plans = std::move(plans), &reply_to,
               done = std::move(done)](Sequencer& sequencer) mutable {
        sequencer.append(std::move(plans), reply_to, std::move(done));
    });
}

void MemoryLog::take_turn(Callback<Sequencer&> run) {
    if (in_turn_) {
        waiting_.push_back(std::move(run));
        return;
    }
    run_in_turn(std::move(run), true);
}

void MemoryLog::run_in_turn(Callback<Sequencer&> run, bool at_once) {
    in_turn_ = true;
    sequencer_.begin_request(at_once);
    run(sequencer_);
    if (disk_.reserved - sequencer_.head() < settings_.reserve / 2) {
        disk_.reserved += settings_.reserve;
        sequencer_.reserve(disk_.reserved);
    }
    for (Staged& staged : sequencer_.take_staged()) staged_.push_back(std::move(staged));
    Sequencer::Answers answers = sequencer_.end_turn();
    in_turn_ = false;
    if (!holds_syncs_ && !failed_ && !staged_.empty()) {
        // The sync ends before append() returns; its answers come after those of this turn.
        for (const Staged& staged : staged_) write(staged);
        const Position through = std::exchange(staged_, {}).back().entry->position;
        in_turn_ = true;
        sequencer_.begin_request(at_once);
        sequencer_.synced(through);
        Sequencer::Answers more = sequencer_.end_turn();
        std::move(more.begin(), more.end(), std::back_inserter(answers));
        in_turn_ = false;
    }
    Sequencer::give(std::move(answers));
    if (!waiting_.empty()) {
        Callback<Sequencer&> next = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        run_in_turn(std::move(next), false);
    }
}

void MemoryLog::write(const Staged& staged) {
    const Entry& entry = *staged.entry;
    for (const StoredChange& change : staged.changes) {
        if (change.value) {
            disk_.changes[change.key] = *change.value;
        } else {
            disk_.changes.erase(change.key);
        }
    }
    if (staged.is_stored) disk_.entries[entry.position] = encode_entry(entry);
    if (!staged.dedupe_key.empty()) {
        disk_.dedupe_keys[staged.dedupe_key] = {entry.position, entry.content_hash, entry.unowned,
                                                clock_.now()};
    }
}

void MemoryLog::read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
                     WantedRooms wanted) {
    const auto decode = [](const auto& stored) {
        Result<Entry> entry = decode_entry(stored.first, stored.second);
        BUS_ASSERT(entry.has_value());
        return std::make_shared<const Entry>(std::move(*entry));
    };
    Page page;
    page.lost_through = disk_.lost_through;
    page.losses = disk_.losses;
    page.through = frontier();
    page.at_end = true;
    for (auto at = disk_.entries.upper_bound(after);
         at != disk_.entries.end() && at->first <= frontier(); ++at) {
        if (page.entries.size() == limit) {
            page.through = page.entries.back()->position;
            page.at_end = false;
            break;
        }
        SharedEntry entry = decode(*at);
        if (is_wanted(*this, *entry, wanted)) page.entries.push_back(std::move(entry));
    }
    std::map<std::string, Position> lost;
    for (auto at = disk_.lost.upper_bound(after); at != disk_.lost.end(); ++at) {
        const SharedEntry entry = decode(*at);
        if (is_wanted(*this, *entry, wanted)) lost[entry->event.type] = at->first;
    }
    for (const auto& [type, through] : lost) page.lost.push_back({type, through});
    reply_to.post([page = std::move(page), done = std::move(done)]() mutable {
        done(Result<Page>(std::move(page)));
    });
}

std::uint64_t MemoryLog::room_key(const Room& room) const {
    return keyed_hash(stable_hash(disk_.epochs.first()), room.key());
}

void MemoryLog::hold_syncs(bool on) {
    holds_syncs_ = on;
    if (!on) sync();
}

void MemoryLog::sync(std::size_t entries) {
    const std::size_t count = std::min(entries, staged_.size());
    if (count == 0 || failed_) return;
    for (std::size_t i = 0; i < count; ++i) write(staged_[i]);
    const Position through = staged_[count - 1].entry->position;
    staged_.erase(staged_.begin(), staged_.begin() + static_cast<std::ptrdiff_t>(count));
    run_in_turn([through](Sequencer& sequencer) { sequencer.synced(through); }, false);
}

void MemoryLog::fail_sync() {
    failed_ = true;
    run_in_turn([](Sequencer& sequencer) { sequencer.fail("the log could not be synced"); }, false);
}

void MemoryLog::recover() {
    failed_ = false;
    set_full(is_full_);
    if (!holds_syncs_) sync();
}

void MemoryLog::set_full(bool on) {
    is_full_ = on;
    if (failed_) return;
    run_in_turn([on](Sequencer& sequencer) { sequencer.refuse(on ? "the disk is full" : ""); },
                false);
}

void MemoryLog::retain_after(Position position) {
    disk_.lost_through = std::max(disk_.lost_through, position);
    ++disk_.losses;
    const auto end = disk_.entries.upper_bound(position);
    for (auto at = disk_.entries.begin(); at != end; ++at) disk_.lost.insert(*at);
    disk_.entries.erase(disk_.entries.begin(), end);
}

}  // namespace eventbus
