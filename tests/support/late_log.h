#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/memory_log.h"

namespace eventbus {

// A log in memory that answers reads when the test says so, in any order, or not now. One thread.
class LateLog final : public Log {
 public:
    explicit LateLog(MemoryLog& log) : log_(log) {}

    void append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) override {
        log_.append(std::move(plans), reply_to, std::move(done));
    }
    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms wanted) override {
        ++reads;
        waiting_.push_back([this, after, limit, &reply_to, wanted = std::move(wanted),
                            done = std::make_shared<ReadDone>(std::move(done))](bool refused) {
            if (!refused) return log_.read(after, limit, reply_to, std::move(*done), wanted);
            reply_to.post([done] { (*done)(Error{ErrorCode::kUnavailable, "not now"}); });
        });
    }
    std::uint64_t room_key(const Room& room) const override { return log_.room_key(room); }
    Position frontier() const override { return log_.frontier(); }
    const Epochs& epochs() const override { return log_.epochs(); }
    Tail& tail() override { return log_.tail(); }
    bool is_writable() const override { return log_.is_writable(); }

    bool has_waiting() const { return !waiting_.empty(); }
    void answer(std::size_t which, bool refused) {
        const auto at = waiting_.begin() + static_cast<std::ptrdiff_t>(which % waiting_.size());
        const auto answer = std::move(*at);
        waiting_.erase(at);
        answer(refused);
    }

    std::size_t reads = 0;

 private:
    MemoryLog& log_;
    std::vector<std::function<void(bool)>> waiting_;
};

}  // namespace eventbus
