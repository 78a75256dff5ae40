#include "catalog/planner.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "catalog/content_hash.h"
#include "catalog/field.h"
#include "catalog/words.h"
#include "event/subject.h"

namespace eventbus {
namespace {

using simdjson::dom::element;

constexpr std::size_t kKeptBytes = 64 * 1024;  // of buffers between events

Error unknown_type(const Catalog& catalog, const std::string& type) {
    const std::string near = catalog.nearest_type(type);
    std::string detail = "the catalog has no type '" + type + "'";
    detail += near.empty() ? "; add it to the catalog's events, or a pattern that covers it"
                           : "; did you mean '" + near + "'?";
    return {ErrorCode::kUnknownType, std::move(detail)};
}

std::uint64_t hash_of(const Event& event, Given given) {
    ContentHash hash;
    hash.add(event.type);
    hash.add(event.subject);
    hash.add(event.data);
    if (given.time) hash.add(event.time);
    return hash.value();
}

std::string path_name(const FieldPath& path) {
    std::string name = "data";
    for (const std::string& part : path) name.append(".").append(part);
    return name;
}

// Fills in the plan of one event by its rule.
class Routing {
 public:
    Routing(const EventRule& rule, Plan& plan, const element& data, const PublisherView& publisher)
        : rule_(rule), plan_(plan), scope_{plan.event, data, publisher} {}

    Result<> route() {
        if (Result<> bound = check_publisher(); !bound) return bound;
        if (Result<> subject = set_subject(); !subject) return subject;
        if (Result<> owner = set_owner(); !owner) return owner;
        if (Result<> audience = set_audience(); !audience) return audience;
        return set_grants();
    }

 private:
    const std::string& type() const { return plan_.event.type; }

    Error bad_subject(std::string detail) const {
        return {ErrorCode::kBadSubject, type() + ": " + std::move(detail)};
    }
    Error forbidden(std::string detail) const {
        return {ErrorCode::kForbidden, type() + ": " + std::move(detail)};
    }

    // What binds a user: they may name themselves and nobody else.
    Result<> check_publisher() {
        if (!scope_.publisher.is_user) return {};
        plan_.publisher_must_own = rule_.publish.users_if_owner && !rule_.publish.users;
        if (!rule_.owner_is_bound) {
            return forbidden(
                "no user may publish it, as its `owner` is taken from data that the "
                "catalog does not bind; add `bind: { data.FIELD: \"{principal.id}\" }`");
        }
        for (const BindRule& bind : rule_.bindings) {
            const Result<std::string> wanted = bind.value.render(scope_);
            if (!wanted) return bad_subject(wanted.error().detail);
            if (name_in(find_field(scope_.event.data, bind.field)) != *wanted) {
                return forbidden(path_name(bind.field) + " must be \"" + *wanted +
                                 "\": a user publishes in their own name only");
            }
        }
        return {};
    }

    Result<> set_subject() {
        Event& event = plan_.event;
        if (!rule_.subject) return check_given_subject();
        Result<std::string> subject = rule_.subject->render(scope_);
        if (!subject) return bad_subject("its subject cannot be made: " + subject.error().detail);
        if (Result<> checked = check_subject(*subject); !checked) {
            return bad_subject(checked.error().detail);
        }
        if (!event.subject.empty() && event.subject != *subject) {
            return bad_subject("its subject is " + *subject + " by the catalog, and not " +
                               event.subject + "; leave `subject` out");
        }
        event.subject = std::move(*subject);
        return {};
    }

    Result<> check_given_subject() {
        if (plan_.event.subject.empty()) {
            if (!rule_.needs_subject && !plan_.publisher_must_own) return {};
            return bad_subject(
                "it goes to the owner or the watchers of its subject, and it has none; "
                "publish it with a `subject`, or add `subject:` to the catalog");
        }
        if (scope_.publisher.is_user && !plan_.publisher_must_own) {
            return forbidden("a user does not choose its subject; add `subject:` to the catalog");
        }
        return check_subject(plan_.event.subject);
    }

    Result<> set_owner() {
        plan_.disown = rule_.disown;
        if (!rule_.owner) return {};
        Result<std::string> owner = rule_.owner->render(scope_);
        if (!owner) return bad_subject("its owner cannot be named: " + owner.error().detail);
        if (!is_subject_id(*owner)) return bad_subject("its owner's id has more than 256 bytes");
        plan_.owner = std::move(*owner);
        plan_.transfer = rule_.transfer;
        return {};
    }

    Result<> set_audience() {
        plan_.audience.reserve(rule_.audience.size());
        for (const AudienceRule& line : rule_.audience) {
            if (line.filter && !line.filter->matches(scope_)) continue;
            Target target;
            if (Result<> named = set_receiver(line, target); !named) return named;
            target.variant = variant_of(line.transform);
            plan_.audience.push_back(std::move(target));
        }
        return {};
    }

    Result<> set_receiver(const AudienceRule& line, Target& target) {
        using To = AudienceRule::To;
        target.to = line.to == To::kOwner ? Target::To::kOwner : Target::To::kRoom;
        if (line.to == To::kWatchers) target.room = Room::subject(plan_.event.subject);
        if (line.to != To::kUser && line.to != To::kRole) return {};
        const Result<std::string> id = line.id->render(scope_);
        if (!id) return bad_subject("a receiver cannot be named: " + id.error().detail);
        if (!is_subject_id(*id)) return bad_subject("a receiver's name has more than 256 bytes");
        target.room = line.to == To::kUser ? Room::user(*id) : Room::role(*id);
        return {};
    }

    // Each transform runs once, when the first line that uses it has a receiver.
    std::uint16_t variant_of(std::uint16_t transform) {
        if (transform == 0) return 0;
        if (variants_.empty()) variants_.resize(rule_.transforms.size());
        std::uint16_t& variant = variants_[transform - 1U];
        if (variant == 0) variant = place_variant(rule_.transforms[transform - 1U].apply(scope_));
        return variant;
    }

    // Payloads that are the same are one, so that they are encoded once.
    std::uint16_t place_variant(std::string payload) {
        auto& variants = plan_.variants;
        auto at = std::find(variants.begin(), variants.end(), payload);
        if (at == variants.end()) at = variants.insert(at, std::move(payload));
        return static_cast<std::uint16_t>(at - variants.begin() + 1);
    }

    Result<> set_grants() {
        for (const GrantRule& grant : rule_.grants) {
            const Result<std::string> id = grant.id.render(scope_);
            if (!id) return bad_subject("whom it grants cannot be named: " + id.error().detail);
            if (!is_subject_id(*id)) return bad_subject("whom it grants has more than 256 bytes");
            plan_.grants.push_back(
                {grant.who == GrantRule::Who::kUser ? Room::user(*id) : Room::role(*id),
                 grant.revoke});
        }
        return {};
    }

    const EventRule& rule_;
    Plan& plan_;
    const Scope scope_;
    std::vector<std::uint16_t> variants_;  // of each transform; 0: not made
};

}  // namespace

struct Planner::Buffers {
    simdjson::dom::parser parser;
    std::string input;  // the data, and the bytes behind it that simdjson may read

    Result<element> parse(std::string_view data) {
        if (parser.capacity() < data.size() &&
            parser.allocate(std::bit_ceil(data.size() + 256)) != simdjson::SUCCESS) {
            return Error{ErrorCode::kUnavailable, "there is no memory for the event"};
        }
        input.assign(data);
        input.append(simdjson::SIMDJSON_PADDING, ' ');
        element root;
        if (parser.parse(input.data(), data.size(), false).get(root) != simdjson::SUCCESS ||
            !root.is_object()) {
            return Error{ErrorCode::kBadEvent, "the event's data is no JSON object"};
        }
        return root;
    }
};

Planner::Planner(std::shared_ptr<const Catalog> catalog) : catalog_(std::move(catalog)) {
    BUS_ASSERT(catalog_);
}
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;
Planner::~Planner() = default;

Result<Plan> Planner::plan(Event&& event, const PublisherView& publisher, Given given) {
    BUS_ASSERT(!event.id.empty() && !event.source.empty() && !event.time.empty());
    const EventRule* rule = catalog_->find(event.type);
    if (!rule) return unknown_type(*catalog_, event.type);
    if (rule->emit.empty() && is_reserved_name(event.type)) {
        return Error{ErrorCode::kBadEvent,
                     "'" + event.type +
                         "' is a name that Socket.IO or the bus itself emits; give "
                         "the type another, or an entry with `emit:` in the catalog"};
    }
    if (buffers_ && buffers_->input.capacity() > 2 * kKeptBytes) buffers_.reset();
    if (!buffers_) buffers_ = std::make_unique<Buffers>();
    return make_plan(*rule, std::move(event), publisher, given);
}

// Has one result, and so makes it where the caller wants it: moving a plan is moving a dozen texts.
Result<Plan> Planner::make_plan(const EventRule& rule, Event&& event,
                                const PublisherView& publisher, Given given) {
    Result<Plan> made = Plan();
    Plan& plan = *made;
    plan.name = rule.emit.empty() ? event.type : rule.emit;
    plan.durability = rule.durability;
    plan.latest = rule.latest;
    plan.retention = rule.retention;
    plan.publisher = publisher.key;
    plan.has_client_id = given.id;
    if (given.id) plan.content_hash = hash_of(event, given);
    plan.event = std::move(event);

    Result<element> data = element();
    if (rule.reads_document) data = buffers_->parse(plan.event.data);
    if (!data) {
        made = data.error();
    } else if (Result<> routed = Routing(rule, plan, *data, publisher).route(); !routed) {
        made = routed.error();
    }
    return made;
}

}  // namespace eventbus
