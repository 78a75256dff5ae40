#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace eventbus {

// A vector that only grows, and whose elements stay where they are then: moving those of 16,000
// clients took 3 ms, in the middle of a turn.
//
// Cost: an access is one look more than a vector's; memory by 256 elements.
template <class T>
class Chunked {
 public:
    std::size_t size() const { return size_; }
    T& operator[](std::size_t index) { return (*chunks_[index / kChunk])[index % kChunk]; }
    const T& operator[](std::size_t index) const {
        return (*chunks_[index / kChunk])[index % kChunk];
    }

    // Makes it `size` elements, not fewer than it has.
    void grow_to(std::size_t size) {
        while (chunks_.size() * kChunk < size) chunks_.push_back(std::make_unique<Chunk>());
        size_ = size;
    }

 private:
    static constexpr std::size_t kChunk = 256;
    using Chunk = std::array<T, kChunk>;

    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::size_t size_ = 0;
};

}  // namespace eventbus
