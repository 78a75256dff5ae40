#pragma once

#include "base/executor.h"

namespace eventbus {

class Sequencer;

// Seam: the sequencer's turn, which one thread holds at a time. Any thread.
class Turn {
 public:
    virtual ~Turn() = default;

    // Runs `run` in the turn, after everything that this thread handed over before: before it
    // returns if the turn is free, else by whoever holds it. What `run` touches is touched in turns
    // only; it does not block, and answers through the sequencer.
    virtual void take_turn(Callback<Sequencer&> run) = 0;
};

}  // namespace eventbus
