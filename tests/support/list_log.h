#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "log/log.h"
#include "log/tail.h"

namespace eventbus {

// A log for its readers: a list that the test writes, with retention and failures as it says. It
// outlives the process under test, as a disk does. One thread.
class ListLog final : public Log {
 public:
    explicit ListLog(std::string epoch = "e1", std::size_t tail_bytes_max = Tail::kBytesMax)
        : epoch_(std::move(epoch)), tail_(tail_bytes_max) {}

    Position publish(std::string type) {
        auto entry = std::make_shared<Entry>();
        entry->position = end_ + 1;
        end_ = entry->position;
        entry->event.type = std::move(type);
        entry->event.data = "{}";
        entries_.push_back(entry);
        return entry->position;
    }
    void retain_after(Position position) {
        lost_through_ = position;
        std::erase_if(entries_, [&](const SharedEntry& e) { return e->position <= position; });
    }
    // A crash takes what was not synced; its positions are not used again.
    void lose_after(Position position) {
        std::erase_if(entries_, [&](const SharedEntry& e) { return e->position > position; });
    }
    const std::vector<SharedEntry>& entries() const { return entries_; }

    void append(std::vector<Plan>, Executor&, AppendDone) override {
        BUS_ASSERT(!"the test writes this log by publish()");
    }
    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms /*wanted*/) override {
        ++reads;
        if (hold_reads) return;
        Result<Page> answer = fail_reads ? Result<Page>(Error{ErrorCode::kUnavailable, "away"})
                                         : Result<Page>(page(after, limit));
        reply_to.post([answer = std::move(answer), done = std::move(done)]() mutable {
            done(std::move(answer));
        });
    }
    std::uint64_t room_key(const Room& room) const override { return stable_hash(room.key()); }
    Position frontier() const override { return std::min(end_, frontier_max); }
    const std::string& epoch() const override { return epoch_; }
    Tail& tail() override { return tail_; }
    bool is_writable() const override { return true; }

    Position frontier_max = kEndOfTime;  // lower: the log has not started
    bool fail_reads = false;
    bool hold_reads = false;  // never answered
    std::size_t reads = 0;

 private:
    Page page(Position after, std::size_t limit) const {
        Page page;
        page.through = frontier();
        page.lost_through = lost_through_;
        page.at_end = true;
        if (lost_through_ > after) page.lost.push_back({std::string(), lost_through_});
        for (const SharedEntry& entry : entries_) {
            if (entry->position <= after) continue;
            if (page.entries.size() == limit) {
                page.through = page.entries.back()->position;
                page.at_end = false;
                break;
            }
            page.entries.push_back(entry);
        }
        return page;
    }

    const std::string epoch_;
    std::vector<SharedEntry> entries_;
    Position end_;
    Position lost_through_;
    Tail tail_;
};

}  // namespace eventbus
