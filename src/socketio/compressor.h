#pragma once

#include <cstddef>

#include "base/counters.h"
#include "base/frame.h"
#include "wire/deflate.h"

namespace eventbus {

// Compresses frames for WebSockets that agreed to permessage-deflate: each frame once, for all of
// them, since none takes its context over.
//
// Thread:  reactor, as the frames that it is given.
// Bounded: its memory by Deflater; a frame's compressed twin lives as long as the frame.
class Compressor {
 public:
    // Payloads of less than `bytes_min` stay as they are.
    explicit Compressor(std::size_t bytes_min) : bytes_min_(bytes_min) {}

    // `frame`, or its twin if that is smaller.
    SharedFrame compressed(const SharedFrame& frame);

    // Frames made so far; any thread.
    const Counter& made() const { return made_; }

 private:
    const std::size_t bytes_min_;
    Deflater deflater_;
    Counter made_;
};

}  // namespace eventbus
