#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/static_string/static_string.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admission/arriving.h"
#include "admission/room_changes.h"
#include "admission/session_store.h"
#include "auth/principal.h"
#include "delivery/hub.h"
#include "delivery/receiver.h"

namespace eventbus {

class Admissions;

// One client that has signed in: what it is in, and how it goes on after a drop. Who serves a
// protocol derives from it and says how frames and notices leave.
//
// Thread: reactor.
class Guest : public Receiver,
              public boost::intrusive::list_base_hook<
                  boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
    // `admitted`: what Arriving has made; begin() follows.
    Guest(Admissions& admissions, const Admitted& admitted);
    ~Guest() override;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    // Joins its rooms, tells what it may not have, and receives from now on. It may end() within.
    void begin(const Admitted& admitted, Encoder& encoder);

    // Receives nothing any more. `left`: the client said goodbye, and its session ends; else it can
    // come back. Once.
    void end(bool left);
    bool is_begun() const { return receiver_.has_value(); }

    // `since`: an offset; none: from now on.
    // Errors: as of RoomChanges; kBadOffset.
    void enter(const Topic& topic, std::optional<std::string_view> since,
               Callback<Result<RoomChanges::Entered>> done);
    void leave(const Topic& topic, Callback<Result<>> done);

    // What gave it its rooms has changed: asks for each of them again. `completion` is held until
    // it is in none but those that it may be in.
    void recheck_rooms(const Completion& completion);

    // Another token of the same principal takes the place of the one that it came with: the session
    // is written with the rooms of people that it gives; then its rights are those of that one, it
    // is in those rooms, and every other room is asked for again. `done` is called once it is in no
    // room by what the token before said; never if it end()s meanwhile. One at a time.
    // Errors: kUnavailable, the session cannot be written; nothing has changed then.
    void refresh(SharedPrincipal principal, Callback<Result<>> done);

    // The client has taken all that was sent.
    void drained();

    // The client has all that was sent when want_receipt() was last called.
    void on_receipt();

    const Principal& principal() const { return *principal_; }
    std::string_view pid() const { return {pid_.data(), pid_.size()}; }
    std::optional<Claim> claim() const { return claim_; }

    // For Admissions: writes down how far it has come.
    void write_place();
    void take_over();

    // Receiver
    void on_gap(Position from, Position to) override;
    void on_history_given(const Room& room) override;
    void on_evicted(std::string_view subject, Position at) override;

 protected:
    // ---- what a protocol does ------------------------------------------------------------------

    // It is to be told, and goes on. It may end() within each of these. `goes_on`: what comes after
    // it is for the client.
    virtual void tell_unknown(const Admitted::Unknown& unknown, Position goes_on) = 0;
    virtual void tell_ended(std::string_view topic, const Error& error) = 0;
    virtual void tell_gap(Position from, Position to) = 0;
    // Another socket has its session, or it cannot be served any more: close the connection in a
    // way that the client comes back from. Leads to end().
    virtual void close_for_take_over() = 0;

    // refresh() has put another token's rights in the place of those before.
    virtual void on_refreshed() {}

    // on_receipt() is to be called once the client has shown that it has all that was sent until
    // now; a later call counts for both. Without it only the client's offsets show that.
    virtual void want_receipt() {}

    // How far it has come. Requires is_begun().
    Place place() const;
    // As Hub::show_place().
    Position show_place();
    SessionChange::At written_at() const;

 private:
    class Port;

    Port& port();
    RoomChanges& changes();
    void ask_for_receipt();
    void take_receipt(SessionChange& change);

    Admissions& admissions_;
    SharedPrincipal principal_;
    const boost::static_string<kPidBytesMax> pid_;
    std::optional<Claim> claim_;
    std::optional<ReceiverId> receiver_;
    Place base_;                  // where the session stood when this began
    Position taken_over_at_;      // as SessionRecord says
    std::shared_ptr<Port> port_;  // once a room has changed, or something is owed
};

}  // namespace eventbus
