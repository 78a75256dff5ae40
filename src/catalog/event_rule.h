#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/filter.h"
#include "catalog/template.h"
#include "catalog/transform.h"
#include "event/plan.h"

namespace eventbus {

// Who may publish or consume a type, as `publish:` and `consume:` say. Without a word of the
// catalog: any service, no user.
struct AccessRule {
    bool any_service = true;
    std::vector<std::string> services;  // names, from `service:api`
    bool permission = false;            // whoever holds publish:TYPE or consume:TYPE; users too
    bool users = false;                 // any user; never in `consume`
    bool users_if_owner = false;        // a user who owns the subject; never in `consume`

    bool names_service(std::string_view name) const;  // any_service, or listed
};

// Who may watch the subjects of one kind: `rooms: { photo: { watch: [owner, role:admin] } }`.
// Whom an event granted it may watch besides.
struct WatchRule {
    bool owner = false;
    bool permission = false;  // whoever holds watch:KIND:ID
    bool everyone = false;    // anybody with a token
    std::vector<std::string> roles;
};

// Who may join groups of one name besides the service to which it belongs:
// `groups: { thumbnails: { members: [service:worker] } }`.
struct GroupRule {
    std::vector<std::string> services;  // names
};

// One line of `audience:`.
struct AudienceRule {
    enum class To : std::uint8_t { kOwner, kWatchers, kUser, kRole, kEveryone };
    To to = To::kOwner;
    std::optional<Template> id;  // of kUser and kRole
    std::optional<Filter> filter;
    std::uint16_t transform = 0;  // into EventRule::transforms, counted from 1; 0: data as it is
};

// One line of `grant:` or `revoke:`.
struct GrantRule {
    enum class Who : std::uint8_t { kUser, kRole };
    Who who = Who::kUser;
    Template id;
    bool revoke = false;
};

// A field of the data that must equal a template when a user publishes.
struct BindRule {
    FieldPath field;
    Template value;
};

// One entry of `events:`, compiled.
struct EventRule {
    std::string type;  // or the pattern
    bool is_pattern = false;

    std::optional<Template> subject;
    std::optional<Template> owner;  // the user's id
    bool transfer = false;
    bool disown = false;  // it ends the subject's ownership and grants
    std::vector<AudienceRule> audience;
    std::vector<Transform> transforms;
    std::vector<GrantRule> grants;
    std::vector<BindRule> bindings;

    std::string emit;  // name on the wire; empty: the event's type
    Durability durability = Durability::kDurable;
    bool latest = false;
    Retention retention;

    AccessRule publish;
    AccessRule consume;

    // Set by the loader, of what stands above.
    bool reads_document = false;  // a filter or a transform looks into the data: it is parsed
    bool needs_subject = false;   // something above is about the event's subject
    bool owner_is_bound = true;   // a user cannot name another as owner: bindings see to it
};

}  // namespace eventbus
