#include "log/log_reader.h"

#include <algorithm>
#include <utility>

namespace eventbus {

LogReader::LogReader(Context context, std::size_t entries_max)
    : context_(context), tail_(context.log.tail(), context.waker, entries_max) {}

const SharedEntry* LogReader::next() {
    if (!is_in_gap()) return tail_.next();
    if (!gap_->has_entry()) return nullptr;
    const SharedEntry& entry = gap_->page.entries[gap_->next++];
    gap_->at = gap_->has_entry() ? entry->position : gap_->page.through;
    return &entry;
}

const SharedEntry* LogReader::peek() {
    if (!is_in_gap()) return tail_.peek();
    return gap_->has_entry() ? &gap_->page.entries[gap_->next] : nullptr;
}

std::optional<Position> LogReader::take_lost() {
    // Until the cursor has passed it nobody is behind it.
    if (!lost_after_ || cursor() <= *lost_after_) return std::nullopt;
    return std::exchange(lost_after_, std::nullopt);
}

std::optional<Clock::Time> LogReader::waits_until() const {
    return gap_ ? gap_->retry_at : std::nullopt;
}

// Looks at the tail in any case: while the gap is read, the tail may be given up further.
bool LogReader::is_in_gap() {
    tail_.peek();
    if (const auto missed = tail_.take_missed()) {
        if (!gap_) gap_ = Gap{.at = missed->after, .through = missed->through, .page = {}};
        gap_->through = missed->through;
    }
    if (!gap_) return false;
    if (gap_->has_entry()) return true;
    if (gap_->at >= gap_->through) {
        gap_.reset();
        return false;
    }
    if (!gap_->is_reading && (!gap_->retry_at || context_.clock.now() >= *gap_->retry_at)) {
        read_page();
    }
    return true;
}

void LogReader::read_page() {
    gap_->is_reading = true;
    gap_->retry_at.reset();
    probe_.pages_read.add();
    context_.log.read(gap_->at, kPageEntries, context_.reactor,
                      [this, alive = std::weak_ptr<bool>(alive_)](Result<Page> page) {
                          if (alive.lock()) on_page(std::move(page));
                      });
}

void LogReader::on_page(Result<Page> page) {
    gap_->is_reading = false;
    if (!page) {
        gap_->retry_at = context_.clock.now() + kRetry;
        return;
    }
    // What is above the gap comes from the tail, transient entries too.
    const Position through = std::min(page->through, gap_->through);
    const auto end = std::ranges::upper_bound(page->entries, through, {},
                                              [](const SharedEntry& e) { return e->position; });
    page->entries.erase(end, page->entries.end());
    page->through = through;
    probe_.lost.add(through - gap_->at - page->entries.size());
    if (!page->lost.empty() && !lost_after_) lost_after_ = gap_->at;
    if (page->entries.empty()) gap_->at = through;
    gap_->page = std::move(*page);
    gap_->next = 0;
}

}  // namespace eventbus
