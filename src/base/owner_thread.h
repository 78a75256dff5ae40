#pragma once

#include <thread>

namespace eventbus {

// A member by which a class asserts that its calls come from one thread: the first that asks.
class OwnerThread {
 public:
    // True on the owning thread; the first call decides which that is.
    bool is_here() const {
        if (id_ == std::thread::id()) id_ = std::this_thread::get_id();
        return id_ == std::this_thread::get_id();
    }

 private:
    mutable std::thread::id id_;
};

}  // namespace eventbus
