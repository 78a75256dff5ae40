#pragma once

#include <concepts>
#include <memory>
#include <utility>

namespace eventbus {

// Held by each part of some work that goes on in several places: the work is done once no copy is
// left, since its parts are done or given up. Any thread.
using Completion = std::shared_ptr<const void>;

// `done` runs where the last copy is dropped.
template <std::invocable F>
Completion when_done(F done) {
    struct Told {
        explicit Told(F&& callback) : done(std::move(callback)) {}
        Told(const Told&) = delete;
        Told& operator=(const Told&) = delete;
        ~Told() { done(); }
        F done;
    };
    return std::make_shared<Told>(std::move(done));
}

}  // namespace eventbus
