#pragma once

#include <charconv>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "base/executor.h"
#include "bus/publish.h"
#include "bus/subject_watches.h"
#include "bus/subjects.h"
#include "delivery/hub.h"
#include "log/log_reader.h"
#include "log/memory_log.h"

namespace eventbus::sim {

// One thread of the server, of which the simulation runs a step at a time.
class Reactor final : public Executor, private Tail::Waker {
 public:
    Reactor(MemoryLog& log, const Subjects& subjects, const Clock& clock, Random& random,
            std::shared_ptr<const Catalog> catalog)
        : log_(log),
          reader_({log, *this, clock, *this}, 300),
          hub_(*this, clock, log, reader_),
          watches_(log, subjects),
          publisher_({log, *this, clock, random}, std::move(catalog), 10) {}

    void post(Task task) override { tasks_.push_back(std::move(task)); }
    bool is_here() const override { return is_here_; }

    // Runs `work` as on this thread.
    template <class Work>
    void run(Work&& work) {
        const bool was_here = std::exchange(is_here_, true);
        work();
        is_here_ = was_here;
    }

    bool has_task() const { return !tasks_.empty(); }
    void run_task() {
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        run([&] { task(); });
        is_awake_ = true;  // each turn ends with a look at the tail
    }

    // It sleeps when it has nothing to do, and then only what the tail says wakes it.
    bool is_awake() const { return is_awake_; }
    void deliver() {
        run([&] { is_awake_ = hub_.deliver().more != Hub::More::kNo; });
    }

    Position frontier() const { return log_.frontier(); }
    Hub& hub() { return hub_; }
    Watches& watches() { return watches_; }
    Publisher& publisher() { return publisher_; }

    // What devices get: the place, as the wire's last argument is.
    class PlaceEncoder final : public Encoder {
        SharedFrame encode(const Entry& entry, std::uint16_t, As) override {
            auto frame = std::make_shared<Frame>();
            frame->bytes = to_string(entry.position);
            return frame;
        }
    };
    Encoder& encoder() { return encoder_; }

 private:
    void wake_if_asleep() override { is_awake_ = true; }

    MemoryLog& log_;
    std::deque<Task> tasks_;
    bool is_here_ = false;
    bool is_awake_ = true;
    LogReader reader_;
    Hub hub_;
    SubjectWatches watches_;
    Publisher publisher_;
    PlaceEncoder encoder_;
};

}  // namespace eventbus::sim
