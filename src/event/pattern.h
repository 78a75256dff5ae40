#pragma once

#include <cstddef>
#include <string_view>

namespace eventbus {

// The one pattern grammar, of topics and of permissions.
//
//   types:     photo.uploaded   photo.*   photo.**   **
//              segments between dots; `*` is exactly one, `**` any number of them, none included
//   subjects:  photo:123        photo:*   *:*
//              `*` is a whole kind or a whole id; `**` alone is any subject, and any type
//
// A star stands for a whole segment only: `pho*` is no pattern.
inline constexpr std::size_t kTypeBytesMax = 256;

// A type: segments of [A-Za-z0-9_-], at least one, between dots; at most kTypeBytesMax.
bool is_type(std::string_view text);

// A type in which segments may be `*` or `**`.
bool is_type_pattern(std::string_view text);

// Whether the text, a type pattern, is more than the name of one type.
bool has_wildcard(std::string_view pattern);

// Whether `pattern` covers `what`, a type or a subject. Malformed text covers only itself.
// No allocation; at most segments times segments steps.
bool matches(std::string_view pattern, std::string_view what);

// Whether everything that `inner` covers is covered by `outer`: may a holder of `outer` subscribe
// to `inner`? Never yes in error; no for a few pairs that only a longer thought would allow
// (`*.**` and `**.*`).
bool covers(std::string_view outer, std::string_view inner);

// Whether there is a type (or a subject) that both cover: may a subscription to one meet a rule for
// the other? No allocation; segments times segments steps.
bool overlaps(std::string_view a, std::string_view b);

}  // namespace eventbus
