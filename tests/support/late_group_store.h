#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "groups/memory_group_store.h"

namespace eventbus {

// A store whose answers come when the test says, in the order of each caller's writes.
class LateGroupStore final : public GroupStore {
 public:
    explicit LateGroupStore(MemoryGroupStore& store) : store_(store) {}

    Result<std::vector<StoredGroup>> load(const Epochs& log) override { return store_.load(log); }
    void write(SharedGroupChanges changes, Executor& reply_to, Callback<Result<>> done) override {
        waiting_.push_back({std::move(changes), &reply_to, std::move(done)});
    }

    std::size_t waiting() const { return waiting_.size(); }
    // Each caller has one write under way, so any order is theirs.
    void write_one(std::size_t which, bool fails) {
        Waiting write = std::move(waiting_[which]);
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(which));
        if (fails) store_.fail(ErrorCode::kUnavailable);
        store_.write(std::move(write.changes), *write.reply_to, std::move(write.done));
        store_.recover();
    }
    void forget() { waiting_.clear(); }  // the process ends

 private:
    struct Waiting {
        SharedGroupChanges changes;
        Executor* reply_to = nullptr;
        Callback<Result<>> done;
    };
    MemoryGroupStore& store_;
    std::vector<Waiting> waiting_;
};

}  // namespace eventbus
