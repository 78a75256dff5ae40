#include "net/outbox.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::size_t kFramesAtOnce = 8;  // what one grows to that gets more than one

}  // namespace

Outbox::Outbox(std::size_t bytes_max) : bytes_max_(bytes_max) { BUS_ASSERT(bytes_max_ > 0); }

Result<> Outbox::push(SharedFrame frame) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(frame && !frame->bytes.empty());

    const auto outdated = find_outdated_by(*frame);
    const std::size_t freed = outdated == queue_.end() ? 0 : (*outdated)->bytes.size();
    const std::size_t bytes_after = bytes_ - freed + frame->bytes.size();
    // has_room() has said that one may come, of whatever size.
    const bool is_full = (bytes_after > bytes_max_ && bytes_ >= bytes_max_ / 2) ||
                         (outdated == queue_.end() && frames() >= frames_max());
    if (is_full && !is_empty()) {
        return Error{ErrorCode::kSlowClient, "the client reads more slowly than it is sent to"};
    }
    // To the end and not into the old frame's place: offsets must rise along the queue, or a
    // client that drops in between would resume behind frames that it never saw.
    if (outdated != queue_.end()) {
        if (outdated - queue_.begin() < static_cast<std::ptrdiff_t>(urgent_end_)) --urgent_end_;
        queue_.erase(outdated);
    }
    make_place();
    queue_.push_back(std::move(frame));
    bytes_ = bytes_after;
    return {};
}

void Outbox::push_urgent(SharedFrame frame) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(frame && !frame->bytes.empty());

    make_place();
    bytes_ += frame->bytes.size();
    const Place behind_urgent = queue_.begin() + static_cast<std::ptrdiff_t>(urgent_end_);
    const Place place = queue_.insert(std::max(begin_waiting(), behind_urgent), std::move(frame));
    urgent_end_ = static_cast<std::size_t>(place - queue_.begin()) + 1;
}

std::size_t Outbox::gather(std::span<std::string_view> pieces) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(shown_ == 0);  // one write at a time

    shown_ = std::min(pieces.size(), queue_.size() - first_);
    for (std::size_t i = 0; i < shown_; ++i) pieces[i] = queue_[first_ + i]->bytes;
    if (shown_ > 0) pieces[0].remove_prefix(front_sent_);
    return shown_;
}

void Outbox::sent(std::size_t count) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(count <= bytes_);

    bytes_ -= count;
    front_sent_ += count;
    while (first_ < queue_.size() && front_sent_ >= queue_[first_]->bytes.size()) {
        front_sent_ -= queue_[first_]->bytes.size();
        queue_[first_++].reset();
    }
    shown_ = 0;
    if (first_ < queue_.size() / 2) return;  // moving less than half would cost more than O(1)
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_));
    urgent_end_ -= std::min(first_, urgent_end_);
    first_ = 0;
    if (queue_.empty()) release();
}

std::size_t Outbox::next_bytes() const {
    return is_empty() ? 0 : queue_[first_]->bytes.size() - front_sent_;
}

SharedFrame Outbox::pop() {
    BUS_ASSERT(shown_ == 0 && front_sent_ == 0);
    if (is_empty()) return nullptr;
    SharedFrame frame = queue_[first_];
    std::array<std::string_view, 1> piece;
    gather(piece);
    sent(frame->bytes.size());
    return frame;
}

void Outbox::clear() {
    queue_.clear();
    release();
    first_ = bytes_ = front_sent_ = shown_ = urgent_end_ = 0;
}

void Outbox::make_place() {
    if (queue_.size() == 1 && queue_.capacity() == 1) queue_.reserve(kFramesAtOnce);
}

// Back to the place within: no other call takes it there.
void Outbox::release() {
    if (queue_.capacity() == 1) return;
    std::destroy_at(&queue_);
    std::construct_at(&queue_);
}

Outbox::Place Outbox::begin_waiting() {
    const std::size_t begun = front_sent_ > 0 ? 1 : 0;
    return queue_.begin() + static_cast<std::ptrdiff_t>(first_ + std::max(shown_, begun));
}

Outbox::Place Outbox::find_outdated_by(const Frame& newer) {
    if (newer.latest_key == LatestKey::kNone) return queue_.end();
    return std::find_if(begin_waiting(), queue_.end(), [&](const SharedFrame& queued) {
        return queued->latest_key == newer.latest_key;
    });
}

}  // namespace eventbus
