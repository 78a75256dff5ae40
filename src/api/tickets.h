#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "auth/principal.h"
#include "auth/seal.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/remembered.h"
#include "base/result.h"

namespace eventbus {

// Tickets for streams: a browser's EventSource can set no header, and a token has no place in a
// URL, which proxies write down. A ticket is the token, sealed, so that the server keeps nothing of
// it:
//
//   seal( made at, in ms | space | index of the reactor | "." | life | space | token )
//
// It opens one stream within kTimeToLive, and the same stream again whenever that was lost, for as
// long as the token lives and after a restart too: then the request shows a place. Which were used
// is not known after a restart, so without a place a ticket is good only in the life of the process
// that made it.
//
// Thread:  reactor; for a first use only its home is asked, the reactor that made it. Its index is
//          under the seal, so that nobody can name another one, which knows nothing of that use.
// Bounded: of those that were used in the last kTimeToLive, kUsedMax are known. Beyond it the
//          oldest of the principal that has used most is forgotten, and could be used again until
//          its minute is over.
class Tickets {
 public:
    static constexpr auto kTimeToLive = std::chrono::seconds(60);
    static constexpr std::size_t kUsedMax = 10'000;
    static constexpr std::size_t kTokenBytesMax = 5'000;  // its ticket and topics make 8 KiB of URL

    // `reactor`: the index of the one that has these, of `reactors`.
    Tickets(std::size_t reactor, std::size_t reactors, const SealKey& key, Random& random,
            const Clock& clock);

    // Errors: kTooLarge, the token has more than kTokenBytesMax.
    Result<std::string> make(std::string_view token);

    // The token of a ticket, which is to be verified again. `shows_a_place`: the request names one
    // that a stream has given, as a browser does when it comes back; else note_use() follows.
    // Errors: kUnauthorized, it is none of this server, or it was used, or is too old.
    Result<std::string> open(std::string_view ticket, bool shows_a_place) const;

    // A ticket that open() took without a place has signed `principal` in.
    void note_use(std::string_view ticket, const Principal& principal);

    // The index of the reactor that knows whether it was used. Nothing: it is none of this server.
    std::optional<std::size_t> home_of(std::string_view ticket) const;

 private:
    struct Opened {
        Clock::WallTime made_at;
        std::size_t home;
        std::string life;  // empty: of a release that did not say it
        std::string token;
    };
    std::optional<Opened> unsealed(std::string_view ticket) const;

    const std::size_t reactor_;
    const std::size_t reactors_;
    const SealKey key_;
    Random& random_;
    const Clock& clock_;
    const std::string life_;  // of this object, unlike all before it
    struct Nothing {};
    Remembered<Nothing> used_;  // their nonces
};

}  // namespace eventbus
