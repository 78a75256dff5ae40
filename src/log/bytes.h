#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace eventbus {

// Eight bytes, big-endian: as keys they sort as the numbers do.
inline void put_fixed(std::string& out, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>((number >> shift) & 0xffU));
    }
}

// 7 bits a byte, least first, the high bit set in all but the last.
inline void put_number(std::string& out, std::uint64_t number) {
    for (; number >= 0x80U; number >>= 7U) out.push_back(static_cast<char>(number | 0x80U));
    out.push_back(static_cast<char>(number));
}

inline void put_string(std::string& out, std::string_view text) {
    put_number(out, text.size());
    out.append(text);
}

// Reads what the above wrote. Once something was missing or wrong, all that follows is zero and
// empty, and is_fine() says so: it is asked once, at the end.
class ByteReader {
 public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    std::uint8_t byte() {
        const std::string_view one = take(1);
        return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one[0]);
    }

    std::uint64_t fixed() {
        std::uint64_t number = 0;
        for (const char c : take(8)) number = (number << 8U) | static_cast<unsigned char>(c);
        return number;
    }

    std::uint64_t number() {
        std::uint64_t number = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const std::uint8_t next = byte();
            const std::uint64_t bits = next & 0x7fU;
            if (shift == 63 && bits > 1) break;  // beyond 64 bits
            number |= bits << shift;
            if ((next & 0x80U) != 0) continue;
            if (bits == 0 && shift > 0) break;  // not as short as can be
            return number;
        }
        fail();
        return 0;
    }

    // Lives as long as the bytes.
    std::string_view string() {
        const std::uint64_t size = number();
        if (size > rest_.size()) fail();
        return is_fine_ ? take(static_cast<std::size_t>(size)) : std::string_view();
    }

    // Of things that take at least `bytes_each`: what is claimed cannot be more than is there.
    std::size_t count(std::size_t bytes_each) {
        const std::uint64_t count = number();
        if (count > rest_.size() / bytes_each) fail();
        return is_fine_ ? static_cast<std::size_t>(count) : 0;
    }

    std::string_view rest() { return take(rest_.size()); }

    void fail() {
        is_fine_ = false;
        rest_ = {};
    }
    bool is_fine() const { return is_fine_; }
    bool is_at_end() const { return is_fine_ && rest_.empty(); }

 private:
    std::string_view take(std::size_t size) {
        if (rest_.size() < size) fail();
        if (!is_fine_) return {};
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::string_view rest_;
    bool is_fine_ = true;
};

}  // namespace eventbus
