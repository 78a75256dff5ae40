#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <deque>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace eventbus::model {

// Walks through every interleaving of a small model of threads: a check of a protocol, not of its
// code, so the model names the steps as the comment next to the code does.
//
// A model is a State and the steps that lead from one state to the next. A state is plain bytes:
// the shared variables, and for each thread the place at which it stands. A step is what a thread
// does without any other being able to come in between (an exchange, a push under a lock, a
// blocking call that returns). Where something may go either way (a slice that is over or not),
// there are two steps from one place. Interleavings are sequentially consistent: weaker orders are
// for TSan.

// One thing that a thread can do. `act` returns false, and what it did to its copy of the state is
// forgotten, where the step cannot be made: the thread stands elsewhere, or is blocked.
template <class State>
struct Step {
    std::string name;
    std::function<bool(State&)> act;
};

template <class State>
struct Model {
    State start{};
    std::vector<Step<State>> steps;
    // Of a state in which no step can be made: whether the threads may rest there. Where it says
    // no, something was lost (or is waited for in a circle).
    std::function<bool(const State&)> may_rest;
    // Of every state: what is wrong with it, or nothing.
    std::function<std::string_view(const State&)> wrong = [](const State&) { return ""; };
};

struct Exploration {
    std::size_t states = 0;
    std::string fault;               // empty: there is none
    std::vector<std::string> trace;  // the shortest way to it, by the names of the steps

    friend std::ostream& operator<<(std::ostream& out, const Exploration& of) {
        out << of.states << " states, " << (of.fault.empty() ? "no fault" : of.fault);
        for (const std::string& step : of.trace) out << "\n  " << step;
        return out;
    }
};

// Breadth first, so the trace is a shortest one. Gives up, as a fault, at `states_max` states.
template <class State>
Exploration explore(const Model<State>& model, std::size_t states_max = 5'000'000) {
    static_assert(
        std::is_trivially_copyable_v<State> && std::has_unique_object_representations_v<State>,
        "a state is compared by its bytes: no padding, no pointers");
    using Bytes = std::array<char, sizeof(State)>;
    struct Hash {
        std::size_t operator()(const Bytes& bytes) const {
            return std::hash<std::string_view>()({bytes.data(), bytes.size()});
        }
    };
    constexpr std::size_t kNoStep = ~std::size_t{0};
    struct From {
        const Bytes* state;
        std::size_t step;
    };
    const auto bytes_of = [](const State& state) {
        Bytes bytes;
        std::memcpy(bytes.data(), &state, sizeof state);
        return bytes;
    };
    const auto state_of = [](const Bytes& bytes) {
        State state;
        std::memcpy(&state, bytes.data(), sizeof state);
        return state;
    };

    std::unordered_map<Bytes, From, Hash> seen;  // its keys do not move
    std::deque<const Bytes*> next;
    const auto visit = [&](const State& state, From from) {
        const auto [place, is_new] = seen.emplace(bytes_of(state), from);
        if (is_new) next.push_back(&place->first);
    };
    const auto fault = [&](std::string_view what, const Bytes* at) {
        Exploration out{seen.size(), std::string(what), {}};
        for (From from = seen.at(*at); from.step != kNoStep; from = seen.at(*from.state)) {
            out.trace.insert(out.trace.begin(), model.steps[from.step].name);
        }
        return out;
    };

    visit(model.start, {nullptr, kNoStep});
    while (!next.empty()) {
        const Bytes* const at = next.front();
        next.pop_front();
        const State state = state_of(*at);
        if (const std::string_view wrong = model.wrong(state); !wrong.empty()) {
            return fault(wrong, at);
        }
        bool is_stuck = true;
        for (std::size_t i = 0; i < model.steps.size(); ++i) {
            State then = state;
            if (!model.steps[i].act(then)) continue;
            is_stuck = false;
            visit(then, {at, i});
        }
        if (is_stuck && !model.may_rest(state)) return fault("nothing can go on", at);
        if (seen.size() > states_max) return fault("more states than the bound", at);
    }
    return {seen.size(), {}, {}};
}

}  // namespace eventbus::model
