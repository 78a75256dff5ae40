#include "event/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace eventbus {
namespace {

constexpr std::size_t kWordBytesMax = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Damerau's distance, without changes inside of a swap. Capitals count as small letters.
std::size_t distance(std::string_view a, std::string_view b) {
    using Row = std::array<std::size_t, kWordBytesMax + 1>;
    std::array<Row, 3> rows{};
    Row* before = &rows[0];
    Row* above = &rows[1];
    Row* row = &rows[2];
    for (std::size_t j = 0; j <= b.size(); ++j) (*above)[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        (*row)[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            (*row)[j] = std::min({(*above)[j] + 1, (*row)[j - 1] + 1, (*above)[j - 1] + !same});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                (*row)[j] = std::min((*row)[j], (*before)[j - 2] + 1);
            }
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return (*above)[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    if (word.empty() || word.size() > kWordBytesMax) return {};
    std::string_view best;
    std::size_t fewest = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string_view candidate : known) {
        if (candidate.size() > kWordBytesMax) continue;
        const std::size_t changes = distance(word, candidate);
        if (changes < fewest) {
            fewest = changes;
            best = candidate;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                         std::string_view otherwise) {
    const std::string_view near = nearest(word, known);
    return near.empty() ? "; " + std::string(otherwise)
                        : "; did you mean '" + std::string(near) + "'?";
}

}  // namespace eventbus
