#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/executor.h"
#include "log/log.h"
#include "log/probe.h"
#include "log/tail.h"

namespace eventbus {

// One view's place in the log: it goes on by the tail and, where the tail was given up before the
// view came to it, by pages from the disk.
//
// Thread:  reactor; but the constructor, which the wiring calls before the first push.
// Bounded: one page, and what its TailReader keeps.
// Invariants:
//   (1) next() gives every visible entry once, in order, but for those of a gap that are on no
//       disk any more: transient ones, and what retention took. They are counted.
//   (2) A page that cannot be read now is read again after kRetry.
class LogReader {
 public:
    static constexpr std::size_t kPageEntries = 512;
    static constexpr std::chrono::milliseconds kRetry{50};  // a queue of reads is shorter by then

    struct Context {
        Log& log;
        Executor& reactor;
        const Clock& clock;
        Tail::Waker& waker;
    };

    // Keeps `entries_max` entries of the tail that it has read.
    LogReader(Context context, std::size_t entries_max);

    // The next visible entry, or null: there is none, or its page is on its way. A page that comes
    // is a task of the reactor.
    const SharedEntry* next();
    // The same, without reading it. Both stay valid until the next call.
    const SharedEntry* peek();

    // Calls visit(const Entry&) for some of those that next() will give at once, oldest first: all
    // of the page, or of the tail's segment.
    template <class Visit>
    void for_each_unread(Visit&& visit);

    // All entries up to here have been given or are lost.
    Position cursor() const { return gap_ ? gap_->at : tail_.cursor(); }
    bool is_at_end() const { return !gap_ && tail_.is_at_end(); }

    // When to call next() again if nothing happens until then: a page could not be read.
    std::optional<Clock::Time> waits_until() const;

    // After next(): entries after this place may be lost, since retention took them before they
    // were read. Each loss is told once, before anything that lies behind it is told of again.
    std::optional<Position> take_lost();

    // What it keeps, and for which entries it is woken.
    TailReader& tail() { return tail_; }
    const TailReader& tail() const { return tail_; }

    const ViewProbe& probe() const { return probe_; }

 private:
    struct Gap {
        Position at;  // given up to here
        Position through;
        Page page;
        std::size_t next = 0;  // of its entries
        bool is_reading = false;
        std::optional<Clock::Time> retry_at = {};

        bool has_entry() const { return next < page.entries.size(); }
    };

    bool is_in_gap();
    void read_page();
    void on_page(Result<Page> page);

    const Context context_;
    TailReader tail_;
    std::optional<Gap> gap_;
    std::optional<Position> lost_after_;
    ViewProbe probe_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

template <class Visit>
void LogReader::for_each_unread(Visit&& visit) {
    if (!is_in_gap()) return tail_.for_each_unread(std::forward<Visit>(visit));
    for (std::size_t i = gap_->next; i < gap_->page.entries.size(); ++i) {
        visit(*gap_->page.entries[i]);
    }
}

}  // namespace eventbus
