#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace eventbus {

// The longest line, its line break included: a pipe that has room at all takes that much whole.
inline constexpr std::size_t kLogLineBytesMax = PIPE_BUF;

// Writes a line to standard output or standard error without waiting: a reader that is slow or
// hangs must not stop the server. A line that is too long is cut, and ends with a mark. The
// descriptor stays as it is, since others may share it (O_NONBLOCK would be theirs, too); so
// another process that fills the same pipe at the same moment can still make this wait.
//
// `text` has no line break at its end. False: there was no room, or nobody reads it; the line is
// dropped and counted. Any thread; takes no memory and no lock.
bool write_line(int descriptor, std::string_view text);

// The lines that write_line() has dropped since the start. Any thread.
std::uint64_t lines_dropped();

}  // namespace eventbus
