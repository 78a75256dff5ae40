#include "sim/device.h"

#include <algorithm>
#include <utility>

#include "event/topic.h"
#include "sim/tally.h"
#include "sim/trace.h"

namespace eventbus::sim {
namespace {

constexpr std::size_t kPlaces = 12;
constexpr std::string_view kRole = "role:";

}  // namespace

// ---- what the user does -------------------------------------------------------------------------

// The SDK says at each sign-in what it is in, a plain client only at its first.
Arrival Device::arrival() const {
    Arrival arrival{.principal = principal_, .pid = pid_, .offset = place_};
    if (pid_.empty() && !since_.empty()) arrival.since = since_;
    for (const std::string& topic : at_sign_in_) arrival.topics.push_back(*parse_topic(topic));
    return arrival;
}

void Device::connect(Lane& lane, std::vector<std::string> topics, bool goes_on) {
    at_sign_in_ = std::move(topics);
    since_ = !goes_on ? "" : place_.empty() ? left_at_ : place_;
    trace([&] {
        std::string roles;
        for (const std::string& role : principal_->roles) roles += role + ", ";
        return name_ + " connects, " + roles + "pid " + pid_ + ", place " + place_ +
               (pid_.empty() && !since_.empty() ? ", since " + since_ : "");
    });
    if (!pid_.empty()) at_sign_in_ = has_sdk_ ? this->topics() : std::vector<std::string>();
    account_.come(principal_);
    lane_ = &lane;
    takes_over_ = takes_over_ || !cut_.empty();
    pipe_ = std::make_shared<Pipe>();
    pipe_->wants_place = has_sdk_;
    lane.connect(pipe_, arrival());
}

void Device::connect_twice(Lane& lane, Lane& other, bool first_is_own) {
    if (first_is_own) connect(lane, {}, false);
    connect_nobody(other, arrival());
    if (!first_is_own) connect(lane, {}, false);
}

// Not with a place of another branch: the client would be told of that after it knows.
void Device::give_up_connect() {
    if (!is_place_lost_) given_up_ = arrival();
}

void Device::late_connect_comes(Lane& lane) {
    trace([&] { return "a CONNECT that " + name_ + " gave up comes, place " + given_up_->offset; });
    const Result<Offset> place = parse_offset(given_up_->offset);
    account_.came_late(place ? place->position : Position());
    connect_nobody(lane, *std::exchange(given_up_, std::nullopt));
}

void Device::connect_nobody(Lane& lane, Arrival arrival) {
    const auto nobodys = std::make_shared<Pipe>();
    nobodys->is_cut = true;
    takes_over_ = true;
    cut_.push_back({&lane, nobodys});
    nobodys_.push_back(nobodys);
    arrival.topics.clear();
    lane.connect(nobodys, std::move(arrival));
}

void Device::subscribe(const std::vector<std::string>& topics, bool with_history) {
    std::vector<Command> commands;
    for (const std::string& topic : topics) {
        const std::optional<std::string> since = with_history ? earlier_place() : std::nullopt;
        trace(
            [&] { return name_ + " subscribes to " + topic + (since ? " since " + *since : ""); });
        const Position asked_at = account_.ask(topic);
        commands.push_back({Command::What::kSubscribe, ++last_command_, topic, since});
        Topic& asked = topics_[topic];
        asked.last_command = last_command_;
        asked.anew_by = std::exchange(asked.has_ended, false) ? last_command_ : 0;
        commands_[last_command_] = {topic, true, since.has_value(), asked_at};
    }
    send(std::move(commands));
}

void Device::unsubscribe(const std::vector<std::string>& topics) {
    std::vector<Command> commands;
    for (const std::string& topic : topics) {
        trace([&] { return name_ + " unsubscribes from " + topic; });
        account_.let_go(topic);
        commands.push_back({Command::What::kUnsubscribe, ++last_command_, topic, {}});
        topics_[topic] = {.last_command = last_command_, .left_by = last_command_};
        commands_[last_command_] = {topic};
    }
    send(std::move(commands));
}

bool Device::may_change_token() {
    std::erase_if(nobodys_, [](const SharedPipe& pipe) { return !pipe->is_arriving; });
    return nobodys_.empty();
}

void Device::refresh(SharedPrincipal token) {
    trace([&] {
        std::string roles;
        for (const std::string& role : token->roles) roles += " " + role;
        return name_ + " sends another token, with" + (roles.empty() ? " no role" : roles);
    });
    given_up_.reset();
    account_.refresh(token);
    next_token_ = token;
    Command command{Command::What::kRefresh, ++last_command_, {}, {}, std::move(token)};
    commands_[last_command_] = {.is_refresh = true};
    send({std::move(command)});
}

std::optional<std::string> Device::earlier_place() const {
    if (!places_.empty()) return places_.front();
    return place_.empty() ? std::nullopt : std::optional(place_);
}

void Device::move_to(std::string place) {
    if (place.empty()) places_.clear();
    if (!place_.empty() && !place.empty()) places_.push_back(place_);
    if (places_.size() > kPlaces) places_.pop_front();
    const Result<Offset> at = parse_offset(place);
    // What a socket that was taken over may have been given proves nothing.
    is_place_lost_ = is_place_lost_ && at && at->position <= std::max(took_over_at_, unknown_to_);
    place_ = std::move(place);
}

void Device::send(std::vector<Command> commands) { lane_->take(pipe_, std::move(commands)); }

void Device::leave() {
    if (!pipe_) return;
    lane_->close(pipe_, true);
    pipe_->is_closed = true;
    cut();
    forget_session();
}

void Device::forget_session() {
    pid_.clear();
    given_up_.reset();
    if (!place_.empty()) left_at_ = place_;
    move_to("");
    topics_.clear();
}

std::vector<std::string> Device::topics() const {
    std::vector<std::string> names;
    for (const auto& [name, topic] : topics_) names.push_back(name);
    return names;
}

// ---- what it is told ----------------------------------------------------------------------------

void Device::take_message() {
    const Message message = std::move(pipe_->messages.front());
    pipe_->messages.pop_front();
    std::visit([this](const auto& one) { on(one); }, message);
    if (pipe_ && pipe_->messages.empty()) lane_->drained(pipe_);
}

void Device::on(const Connected& connected) {
    trace([&] {
        return name_ + " is in, pid " + connected.pid + ", at " + to_string(connected.frontier);
    });
    is_in_ = true;
    frontier_ = connected.frontier;
    if (std::exchange(takes_over_, false)) took_over_at_ = frontier_;
    const bool had_no_session = pid_.empty();
    const bool is_recovered = !had_no_session && connected.pid == pid_;
    Position from = frontier_;  // what comes after it is its own
    if (!pid_.empty() && !is_recovered && !may_be_forgotten) fail(name_ + " lost its session");
    pid_ = connected.pid;
    if (!is_recovered) rooms_kept_ = 0;
    std::vector<std::string> again;  // what its application asks anew for
    if (is_recovered) {
        count(Happened::kResumed);
        account_.come_back(frontier_);
    }
    if (!is_recovered) {
        if (had_no_session && !since_.empty()) from = parse_offset(since_)->position;
        account_.begin(from);
        move_to("");
        for (const auto& [name, topic] : std::exchange(topics_, {})) again.push_back(name);
    }
    for (const std::string& topic : at_sign_in_) {
        account_.sign_in(topic, from);
        topics_[topic].is_confirmed = true;
        std::erase(again, topic);
    }
    if (!again.empty()) subscribe(again, false);
}

void Device::on(const EventFrame& frame) {
    trace([&] {
        return name_ + " gets " + to_string(frame.position) +
               (frame.place.empty() ? " of a history " + frame.topic : "");
    });
    if (frame.topic.empty() == (has_sdk_ && frame.place.empty())) {
        fail(name_ + " is told a topic that it did not ask for, or not the one of a history");
    }
    count(frame.place.empty() ? Happened::kHistoryEvent : Happened::kEvent);
    account_.see(frame);
    if (frame.place.empty()) return;
    move_to(frame.place);
}

void Device::on(const Answer& answer) {
    const auto found = commands_.find(answer.command);
    if (found == commands_.end()) fail(name_ + " got an answer that it had not asked for");
    const Sent sent = found->second;
    commands_.erase(found);
    if (sent.is_refresh) return on_refreshed(answer);
    trace([&] {
        return name_ + " is answered " + (sent.is_subscribe ? "subscribe " : "unsubscribe ") +
               sent.topic +
               (answer.error ? ": " + answer.error->detail : ", from " + to_string(answer.from));
    });
    Topic& topic = topics_[sent.topic];
    // A later subscribe takes nothing back of what an earlier one was answered.
    const bool counts =
        sent.is_subscribe ? answer.command > topic.left_by : answer.command == topic.last_command;
    if (answer.error && answer.error->code == ErrorCode::kTooManyRooms &&
        !account_.may_be_full(Lane::kRoomsMax)) {
        fail(name_ + " was refused " + sent.topic + " below the bound of rooms");
    }
    if (answer.error && answer.error->code == ErrorCode::kBadOffset && !sent.has_since) {
        fail(name_ + " was refused a place that it had not named");
    }
    // It may have been given another room in place of this one by then.
    if (answer.error && !sent.is_subscribe) ++rooms_kept_;
    if (answer.error) return;
    count(sent.is_subscribe ? Happened::kSubscribed : Happened::kUnsubscribed);
    if (!counts) return;
    topic.is_confirmed = sent.is_subscribe;
    if (sent.is_subscribe) {
        // An earlier one whose answer does not come may be in it as well.
        Position asked_at = sent.asked_at;
        for (const auto& [command, other] : commands_) {
            const bool is_alike = other.is_subscribe && other.topic == sent.topic;
            if (is_alike) asked_at = std::min(asked_at, other.asked_at);
        }
        account_.confirm(sent.topic, answer.from, asked_at, topic.anew_by == answer.command);
        if (account_.is_above(Lane::kRoomsMax + rooms_kept_)) fail(name_ + " is in too many rooms");
        return;
    }
    account_.left(sent.topic);
    topics_.erase(sent.topic);
}

void Device::on_refreshed(const Answer& answer) {
    trace([&] { return name_ + (answer.error ? " keeps its token" : " has another token"); });
    const SharedPrincipal token = std::exchange(next_token_, nullptr);
    if (answer.error) {
        if (answer.error->code != ErrorCode::kUnavailable) fail(name_ + " was refused its token");
        return account_.refresh_refused();
    }
    count(Happened::kRefreshed);
    account_.refreshed(answer.from);
    principal_ = token;
}

void Device::on(const CaughtUp& caught_up) {
    trace([&] { return name_ + " has caught up, and stands at " + caught_up.place; });
    count(Happened::kPlace);
    account_.stand_at(caught_up.position);
    move_to(caught_up.place);
}

void Device::on(const Unknown& unknown) {
    trace(
        [&] { return name_ + " is told that its session or place is unknown: " + unknown.reason; });
    if (!may_be_forgotten && !is_place_lost_)
        fail(name_ + " was told without a reason: " + unknown.reason);
    count(Happened::kForgotten);
    unknown_to_ = unknown.to;
    account_.unknown(frontier_);
}

void Device::on(const Ended& ended) {
    trace([&] {
        return name_ + " is told that it is not in " + ended.topic + ": " + ended.error.detail;
    });
    count(Happened::kEnded);
    if (ended.topic.starts_with(kRole))
        return account_.role_ended(ended.topic.substr(kRole.size()));
    if (!account_.has_asked_for(ended.topic)) {
        fail(name_ + " is told that it is not in " + ended.topic + ", which it has left");
    }
    if (ended.error.code == ErrorCode::kForbidden) account_.right_ended(ended.topic);
    account_.let_go(ended.topic);
    Topic& topic = topics_[ended.topic];
    topic.is_confirmed = false;
    topic.has_ended = std::none_of(commands_.begin(), commands_.end(), [&](const auto& sent) {
        return sent.second.topic == ended.topic;
    });
}

void Device::on(const Gap& gap) {
    trace([&] {
        return name_ + " is told of a gap from " + to_string(gap.from) + " to " + to_string(gap.to);
    });
    count(Happened::kGap);
    account_.gap(gap.from, gap.to);
}

void Device::on(const Ping& ping) {
    trace([&] { return name_ + " is pinged"; });
    count(Happened::kReceipt);
    lane_->pong(pipe_, ping.number);
}

// ---- what the network does ----------------------------------------------------------------------

void Device::cut() {
    if (!pipe_) return;
    trace([&] { return name_ + " is cut"; });
    pipe_->messages.clear();
    pipe_->is_cut = true;
    if (!pipe_->is_closed) cut_.push_back({lane_, pipe_});
    nobodys_.push_back(pipe_);  // if its CONNECT is still on its way
    pipe_.reset();
    lane_ = nullptr;
    std::erase_if(nobodys_, [](const SharedPipe& pipe) { return !pipe->is_arriving; });
    is_in_ = false;
    // Whether it was taken is not known: it comes back with the one or the other.
    if (next_token_ && last_command_ % 2 == 0) principal_ = next_token_;
    next_token_.reset();
    commands_.clear();
    std::erase_if(topics_, [](const auto& topic) { return !topic.second.is_confirmed; });
}

void Device::server_died() {
    cut();
    cut_.clear();
    nobodys_.clear();
    takes_over_ = true;  // nobody knows any more what it was given
    given_up_.reset();
}

void Device::restored() {
    given_up_.reset();
    took_over_at_ = {};
    may_be_forgotten = true;
    left_at_.clear();
    is_place_lost_ = !place_.empty();
    account_.restored();
}

void Device::let_server_notice() {
    for (const Connection& one : std::exchange(cut_, {})) {
        one.pipe->messages.clear();
        if (!one.pipe->is_closed) one.lane->close(one.pipe, false);
    }
}

}  // namespace eventbus::sim
