#include "log/sequencer.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace eventbus {
Sequencer::Sequencer(Context context, Settings settings)
    : context_(context), settings_(settings), dedupe_(settings.dedupe) {}

void Sequencer::give(Answers answers) {
    for (Answer& answer : answers) {
        if (answer.at_once && answer.reply_to->is_here()) {
            answer();
        } else {
            Executor& reply_to = *answer.reply_to;
            reply_to.post(std::move(answer));
        }
    }
}

void Sequencer::append(std::vector<Plan>&& plans, Executor& reply_to, AppendDone done) {
    if (Result<> accepted = accept(plans); !accepted) {
        context_.probe.refused.add();
        return answer(reply_to, [error = accepted.error(), done = std::move(done)]() mutable {
            done(std::move(error));
        });
    }
    take_in();
    show_what_may_be_seen();
    if (batch_.visible_at <= context_.tail.frontier()) {
        answers_.push_back(
            {&reply_to, at_once_, Task(), std::move(done), std::move(batch_.receipts)});
        return;
    }
    when_visible(batch_.visible_at, reply_to,
                 [receipts = std::move(batch_.receipts),
                  done = std::move(done)](const Result<>& visible) mutable {
                     if (!visible) return done(visible.error());
                     done(std::move(receipts));
                 });
}

Result<> Sequencer::check_accepts(std::size_t events) const {
    if (!closed_.empty()) return Error{ErrorCode::kUnavailable, closed_};
    if (!refusal_.empty()) return Error{ErrorCode::kReadOnly, refusal_};
    if (pending_bytes_ >= settings_.pending_bytes_max) {
        return Error{ErrorCode::kUnavailable,
                     "the disk does not keep up: too much waits to be synced; try again"};
    }
    if (reserved_ - head_ < events) {
        return Error{ErrorCode::kUnavailable,
                     "the log waits for the disk to reserve further offsets; try again"};
    }
    return {};
}

// Takes all of `plans` into batch_, or nothing anywhere.
Result<> Sequencer::accept(std::vector<Plan>& plans) {
    if (Result<> accepts = check_accepts(plans.size()); !accepts) return accepts;
    batch_.receipts.clear();
    batch_.entries.clear();
    batch_.staged.clear();
    batch_.visible_at = Position();
    batch_.now = context_.clock.now();
    batch_.receipts.reserve(plans.size());
    forget_keys();
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const Result<> placed = place(std::move(plans[i]));
        if (placed) continue;
        context_.binder.undo();
        dedupe_.undo();
        batch_ = {};
        Error error = placed.error();
        if (plans.size() > 1) error.detail = "event " + std::to_string(i) + ": " + error.detail;
        return error;
    }
    context_.binder.commit();
    dedupe_.commit();
    return {};
}

Result<> Sequencer::place(Plan&& plan) {
    std::string key;
    if (plan.has_client_id) {
        key = Dedupe::key(plan);
        if (const Dedupe::Seen* seen = dedupe_.find(key)) {
            if (seen->content_hash != plan.content_hash) {
                context_.probe.ids_reused.add();
                return Error{ErrorCode::kIdReused, "the id '" + plan.event.id +
                                                       "' was used for another event; give this "
                                                       "one an id of its own"};
            }
            context_.probe.duplicates.add();
            batch_.receipts.push_back({plan.event.id, seen->position, true, seen->unowned});
            batch_.visible_at = std::max(batch_.visible_at, seen->position);
            return {};
        }
    }
    const Position position = head_ + batch_.entries.size() + 1;
    Result<Bound> bound = context_.binder.bind(std::move(plan), position);
    if (!bound) return bound.error();
    BUS_ASSERT(bound->entry->position == position);
    bound->entry->published_at = batch_.now;

    const SharedEntry entry = std::move(bound->entry);
    // An eviction is for every view, one that reads from the disk by now too.
    const bool is_stored = entry->durability == Durability::kDurable || !entry->evictions.empty();
    if (!key.empty()) {
        dedupe_.add(key, {position, entry->content_hash, entry->unowned, is_stored}, batch_.now);
    }
    // A transient event that gives or takes a right is synced for the right's sake.
    const bool needs_sync = is_stored || !bound->changes.empty();
    batch_.receipts.push_back({entry->event.id, position, false, entry->unowned});
    batch_.visible_at = std::max(batch_.visible_at, position);
    batch_.entries.push_back({entry, memory_of(*entry), needs_sync});
    if (needs_sync) {
        if (!is_stored) key.clear();
        batch_.staged.push_back({entry, is_stored, std::move(bound->changes), std::move(key), {}});
    }
    return {};
}

void Sequencer::forget_keys() {
    for (const Dedupe::Seen& dropped : dedupe_.forget(batch_.now)) {
        context_.probe.dedupe_dropped.add();
        if (dropped.is_stored) forgotten_keys_.push_back(dropped.position);
    }
}

void Sequencer::take_in() {
    head_ += batch_.entries.size();
    context_.probe.appended.add(batch_.entries.size());
    context_.probe.dedupe_keys.set(dedupe_.size());
    for (Pending& entry : batch_.entries) {
        pending_bytes_ += entry.bytes;
        pending_.push_back(std::move(entry));
    }
    if (batch_.staged.empty()) return;
    batch_.staged.front().forgotten_keys = std::exchange(forgotten_keys_, {});
    std::move(batch_.staged.begin(), batch_.staged.end(), std::back_inserter(staged_));
}

void Sequencer::show_what_may_be_seen() {
    while (!pending_.empty()) {
        Pending& next = pending_.front();
        if (next.needs_sync && next.entry->position > synced_) break;
        if (next.needs_sync) {
            context_.probe.append_time.add(context_.clock.now() - next.entry->published_at);
        }
        pending_bytes_ -= next.bytes;
        context_.tail.push(std::move(next.entry));
        has_pushed_ = true;
        pending_.pop_front();
    }
    context_.probe.pending_bytes.set(pending_bytes_);
    while (!waiters_.empty() && waiters_.front().until <= context_.tail.frontier()) {
        Waiter waiter = std::move(waiters_.front());
        waiters_.pop_front();
        answer(*waiter.reply_to, [then = std::move(waiter.then)]() mutable { then(Result<>()); });
    }
}

void Sequencer::when_visible(Position position, Executor& reply_to, Callback<Result<>> then) {
    BUS_ASSERT(position <= head_);
    if (position <= context_.tail.frontier()) {
        return answer(reply_to, [then = std::move(then)]() mutable { then(Result<>()); });
    }
    if (failed_) {
        return answer(reply_to, [error = Error{ErrorCode::kReadOnly, refusal_},
                                 then = std::move(then)]() mutable { then(std::move(error)); });
    }
    // Nearly always the last; a repeat waits for an earlier one.
    auto at = waiters_.end();
    while (at != waiters_.begin() && std::prev(at)->until > position) --at;
    waiters_.insert(at, {position, &reply_to, std::move(then)});
}

void Sequencer::answer(Executor& reply_to, Task run) {
    answers_.push_back({&reply_to, at_once_, std::move(run), AppendDone(), {}});
}

void Sequencer::reserve(Position through) {
    BUS_ASSERT(through >= reserved_);
    reserved_ = through;
}

void Sequencer::synced(Position through) {
    BUS_ASSERT(through >= synced_ && through <= head_);
    synced_ = through;
    show_what_may_be_seen();
}

void Sequencer::refuse(std::string why) {
    failed_ = false;
    refusal_ = std::move(why);
}

void Sequencer::fail(std::string why) {
    refuse(std::move(why));
    failed_ = true;
    for (Waiter& waiter : std::exchange(waiters_, {})) {
        answer(*waiter.reply_to,
               [error = Error{ErrorCode::kReadOnly, refusal_},
                then = std::move(waiter.then)]() mutable { then(std::move(error)); });
    }
}

Sequencer::Answers Sequencer::end_turn() {
    if (std::exchange(has_pushed_, false)) context_.tail.wake_readers();
    at_once_ = false;
    return std::exchange(answers_, Answers());
}

}  // namespace eventbus
