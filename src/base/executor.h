#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace eventbus {

// What is called once, on some thread; may hold move-only things. (std::move_only_function is
// C++23.)
template <class... Args>
class Callback {
 public:
    Callback() = default;
    template <class F>
    requires(!std::same_as<std::decay_t<F>, Callback> && std::invocable<F&, Args...>)
        Callback(F&& function)  // NOLINT(google-explicit-constructor): a lambda is a callback
        : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(function))) {}

    explicit operator bool() const { return body_ != nullptr; }

    // Calls it and lets it go: a second call is an error.
    void operator()(Args... args) {
        std::exchange(body_, nullptr)->run(std::forward<Args>(args)...);
    }

 private:
    struct Runnable {
        virtual ~Runnable() = default;
        virtual void run(Args... args) = 0;
    };
    template <class F>
    struct Body final : Runnable {
        explicit Body(F f) : function(std::move(f)) {}
        void run(Args... args) override { function(std::forward<Args>(args)...); }
        F function;
    };
    std::unique_ptr<Runnable> body_;
};

using Task = Callback<>;

// Seam: "run this on that thread". Tasks of one poster run in the order in which it posted them.
class Executor {
 public:
    virtual ~Executor() = default;

    // Any thread. Never runs `task` before it returns.
    virtual void post(Task task) = 0;

    // Posts them in their order, and wakes the other thread once for all of them.
    virtual void post_all(std::vector<Task> tasks) {
        for (Task& task : tasks) post(std::move(task));
    }

    // True on the thread that runs the tasks.
    virtual bool is_here() const = 0;
};

}  // namespace eventbus
