#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "groups/group_store.h"

namespace eventbus {

// Groups that last as long as the process: for tests, and the model of what a store does.
//
// Thread: one.
class MemoryGroupStore final : public GroupStore {
 public:
    Result<std::vector<StoredGroup>> load() override;
    void write(std::vector<GroupChange> changes, Executor& reply_to,
               Callback<Result<>> done) override;

    // From now on every write fails.
    void fail() { failed_ = true; }

 private:
    std::map<GroupKey, StoredGroup> groups_;
    bool failed_ = false;
};

// What `group` is after `change`.
void apply(const GroupChange& change, StoredGroup& group);

}  // namespace eventbus
