#pragma once

#include <span>
#include <string>
#include <string_view>

namespace eventbus {

// Which of `known` somebody meant who wrote `word`: the one with the fewest changes of one letter
// (a swap of neighbours is one), if they are at most a third of the word; else empty.
// Cost: the product of the lengths for each; words over 64 bytes are near to nothing.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

// How a message about `word` goes on: "; did you mean 'X'?", or "; " and `otherwise`.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                         std::string_view otherwise);

}  // namespace eventbus
