#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "log/log.h"
#include "log/tail.h"

namespace eventbus {

// A log for its readers: a list that the test writes, with retention and failures as it says, and
// answers that come when it says. It outlives the process under test, as a disk does: begin_life(),
// the readers of the tail, start(). One thread.
class ListLog final : public Log {
 public:
    explicit ListLog(std::string epoch = "e1", std::size_t tail_bytes_max = Tail::kBytesMax)
        : epochs_(std::move(epoch)), tail_bytes_max_(tail_bytes_max) {}

    struct Made {
        std::string type;
        bool is_transient = false;
        std::size_t bytes = 2;
    };
    Position publish(Made made) {
        auto entry = std::make_shared<Entry>();
        entry->position = ++end_;
        entry->event.type = std::move(made.type);
        entry->event.data = std::string(made.bytes, ' ');
        if (made.is_transient) entry->durability = Durability::kTransient;
        entries_.push_back(entry);
        if (has_started_) tail_->push(entry);
        return end_;
    }
    Position publish(const char* type) { return publish(Made{.type = type}); }
    void retain_after(Position position) {
        lost_through_ = position;
        std::erase_if(entries_, [&](const SharedEntry& e) { return e->position <= position; });
    }
    const std::vector<SharedEntry>& entries() const { return entries_; }
    // A process begins on other files: those of the log with these epochs, which shares with this
    // one what is up to `shared`.
    void replace(Epochs epochs, Position shared) {
        has_started_ = false;
        epochs_ = std::move(epochs);
        end_ = shared;
        std::erase_if(entries_, [&](const SharedEntry& e) { return e->position > shared; });
    }

    // A process begins: transient entries ended with the one before. Its tail will begin with the
    // newest `recent` entries.
    void begin_life(std::size_t recent = 1000) {
        std::erase_if(entries_,
                      [](const auto& e) { return e->durability == Durability::kTransient; });
        recent_ = std::min(recent, entries_.size());
        tail_ = std::make_unique<Tail>(tail_bytes_max_);
        tail_->start_at(recent_ > 0 ? entries_[entries_.size() - recent_]->position - 1 : end_);
        has_started_ = false;
        held_.clear();
    }
    void start() {
        has_started_ = true;
        for (auto at = entries_.end() - static_cast<std::ptrdiff_t>(recent_); at != entries_.end();
             ++at) {
            tail_->push(*at);
        }
        tail_->advance_to(end_);
    }

    void append(std::vector<Plan>, Executor&, AppendDone) override {
        BUS_ASSERT(!"the test writes this log by publish()");
    }
    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms /*wanted*/) override {
        ++reads;
        Result<Page> answer = fail_reads ? Result<Page>(Error{ErrorCode::kUnavailable, "away"})
                                         : Result<Page>(page(after, limit));
        held_.push_back({std::move(answer), &reply_to, std::move(done)});
        if (!hold_reads) answer_read(0);
    }
    std::uint64_t room_key(const Room& room) const override { return stable_hash(room.key()); }
    // Of those that hold_reads kept back, in whichever order.
    std::size_t held_reads() const { return held_.size(); }
    void answer_read(std::size_t which) {
        Held held = std::move(held_[which]);
        held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
        held.reply_to->post([answer = std::move(held.answer),
                             done = std::move(held.done)]() mutable { done(std::move(answer)); });
    }
    Position frontier() const override { return tail_->frontier(); }
    const Epochs& epochs() const override { return epochs_; }
    Tail& tail() override { return *tail_; }
    bool is_writable() const override { return true; }

    bool fail_reads = false;
    bool hold_reads = false;
    std::size_t reads = 0;

 private:
    struct Held {
        Result<Page> answer;
        Executor* reply_to = nullptr;
        ReadDone done;
    };
    Page page(Position after, std::size_t limit) const {
        Page page;
        page.through = std::max(after, frontier());
        page.lost_through = lost_through_;
        page.at_end = true;
        if (lost_through_ > after) page.lost.push_back({std::string(), lost_through_});
        for (const SharedEntry& entry : entries_) {
            if (entry->position <= after || entry->durability == Durability::kTransient) continue;
            if (entry->position > page.through) break;
            if (page.entries.size() == limit) {
                page.through = page.entries.back()->position;
                page.at_end = false;
                break;
            }
            page.entries.push_back(entry);
        }
        return page;
    }

    Epochs epochs_;
    std::vector<SharedEntry> entries_;
    Position end_;
    Position lost_through_;
    const std::size_t tail_bytes_max_;
    std::unique_ptr<Tail> tail_ = std::make_unique<Tail>(tail_bytes_max_);
    bool has_started_ = false;
    std::size_t recent_ = 0;
    std::deque<Held> held_;
};

}  // namespace eventbus
