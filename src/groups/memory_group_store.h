#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "groups/group_store.h"

namespace eventbus {

// Groups that last as long as the process: for tests, and the model of what a store does.
//
// Thread: one.
class MemoryGroupStore final : public GroupStore {
 public:
    Result<std::vector<StoredGroup>> load(const Epochs& log) override;
    void write(SharedGroupChanges changes, Executor& reply_to, Callback<Result<>> done) override;

    // From now on every write fails: with kUnavailable until recover(), or with kReadOnly for good.
    void fail(ErrorCode code) { failure_ = code; }
    void recover() { failure_.reset(); }

    std::size_t writes() const { return writes_; }  // that were tried

 private:
    std::optional<Epochs> epochs_;  // of the log in which they stand
    std::map<GroupKey, StoredGroup> groups_;
    std::optional<ErrorCode> failure_;
    std::size_t writes_ = 0;
};

// What `group` is after `change`, which does not end it.
void apply(const GroupChange& change, StoredGroup& group);

}  // namespace eventbus
