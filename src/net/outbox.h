#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/frame.h"
#include "base/owner_thread.h"
#include "base/result.h"

namespace eventbus {

// What one connection still has to be sent: events, acknowledgements, heartbeats, in one order.
//
// Thread:  reactor (asserted).
// Bounded: bytes() <= bytes_max and frames() <= frames_max(), but for urgent frames and for the
//          frame that passes the bound: less than half full, an outbox takes one of any size, else
//          its client could never get past it, and has_room() would promise too much.
//          At the bound push() refuses and the connection closes, so that the client comes back
//          and resumes. Empty, it has room for one frame, within itself: what most ever have.
// Cost:    push is amortized O(1), for a `latest` frame O(queued frames).
// Invariants:
//   (1) bytes() is the size of all queued frames less what was sent of the first.
//   (2) Frames leave in the order in which they were pushed; urgent ones before all that may wait,
//       in their own order.
//   (3) A frame that the transport has seen stays until it is sent.
class Outbox {
 public:
    // A frame costs about as much beside its bytes: many small ones must not cost many times
    // bytes_max.
    static constexpr std::size_t kFrameBytesMin = 64;
    static constexpr std::size_t kFramesMin = 16;

    explicit Outbox(std::size_t bytes_max);

    // Queues `frame`; if it is `latest`, drops the queued frame with the same key.
    // Errors: kSlowClient, the bound would be passed; then nothing has changed.
    Result<> push(SharedFrame frame);

    // Queues a heartbeat or a close ahead of what waits: a client that is behind must not time out.
    void push_urgent(SharedFrame frame);

    // What is queued now stays before urgent frames that come later.
    void pin() { urgent_end_ = queue_.size(); }

    // Sets `pieces` to the first unsent bytes, for one gather write, and returns how many it set.
    // They live until sent().
    std::size_t gather(std::span<std::string_view> pieces);

    // The transport took `count` bytes of what gather() showed.
    void sent(std::size_t count);

    // Bytes of what pop() would give; 0 if there is nothing.
    std::size_t next_bytes() const;

    // Takes the first frame out, for a transport that sends whole payloads; not while a write is
    // under way. Null if there is none.
    SharedFrame pop();

    // Lets go of everything that waits.
    void clear();

    std::size_t bytes() const { return bytes_; }
    std::size_t bytes_max() const { return bytes_max_; }
    std::size_t frames() const { return queue_.size() - first_; }
    std::size_t frames_max() const { return kFramesMin + bytes_max_ / kFrameBytesMin; }
    std::size_t urgent_frames() const { return urgent_end_ > first_ ? urgent_end_ - first_ : 0; }
    // Less than half of either bound is used: a sender that can wait goes on.
    bool has_room() const { return bytes_ < bytes_max_ / 2 && frames() < frames_max() / 2; }
    bool is_empty() const { return first_ == queue_.size(); }

 private:
    using Frames = boost::container::small_vector<SharedFrame, 1>;
    using Place = Frames::iterator;
    void make_place();
    void release();
    Place begin_waiting();  // behind the frames that must stay (3)
    Place find_outdated_by(const Frame& newer);

    const std::size_t bytes_max_;
    Frames queue_;  // from first_ on; what was sent is null before it
    std::size_t first_ = 0;
    std::size_t bytes_ = 0;
    std::size_t front_sent_ = 0;  // bytes of queue_[first_] that are gone
    std::size_t shown_ = 0;       // frames that the transport has seen, counted from first_
    std::size_t urgent_end_ = 0;  // into queue_: behind the last urgent frame
    OwnerThread owner_;
};

}  // namespace eventbus
