#include "bus/access.h"

#include <fmt/format.h>

#include "event/pattern.h"

namespace eventbus {
namespace {

bool allows(const AccessRule& rule, const Principal& principal, std::string_view verb,
            std::string_view type) {
    if (rule.permission && principal.may(verb, type)) return true;
    if (principal.is_service()) return rule.names_service(principal.id);
    return rule.users;
}

}  // namespace

bool may_publish(const EventRule& rule, std::string_view type, const Principal& principal) {
    return allows(rule.publish, principal, "publish", type);
}

bool may_consume(const EventRule& rule, const Principal& principal) {
    return allows(rule.consume, principal, "consume", rule.type);
}

Result<> check_may_consume(const Catalog& catalog, const Principal& principal,
                           const std::string& pattern) {
    bool covers_any = false;
    for (const EventRule& rule : catalog.events()) {
        const bool is_covered =
            rule.is_pattern ? overlaps(pattern, rule.type) : matches(pattern, rule.type);
        if (!is_covered) continue;
        covers_any = true;
        if (!may_consume(rule, principal)) {
            return Error{ErrorCode::kForbidden,
                         fmt::format("{} may not consume {}; the catalog's `consume` or the "
                                     "token's permissions would have to say so",
                                     principal.key(), rule.type)};
        }
    }
    if (covers_any) return {};
    const std::string nearest = catalog.nearest_type(pattern);
    return Error{ErrorCode::kUnknownType,
                 fmt::format("the catalog has no type that '{}' covers{}", pattern,
                             nearest.empty() ? "" : "; the nearest is " + nearest)};
}

std::vector<Room> rooms_of(const Principal& principal) {
    std::vector<Room> rooms{Room::everyone()};
    if (principal.is_service()) return rooms;
    rooms.push_back(Room::user(principal.id));
    for (const std::string& role : principal.roles) rooms.push_back(Room::role(role));
    return rooms;
}

WatchQuestion WatchQuestions::about(const std::string& subject) {
    if (!may_consume_all_) {
        may_consume_all_ =
            principal_->is_service() && check_may_consume(*catalog_, *principal_, "**").has_value();
    }
    const std::string_view kind = std::string_view(subject).substr(0, subject.find(':'));
    const WatchRule* const rule = catalog_->watch_rule(kind);
    return WatchQuestion{.subject = subject,
                         .rule = rule == nullptr ? WatchRule{} : *rule,
                         .user = principal_->is_user() ? principal_->id : std::string(),
                         .roles = principal_->roles,
                         .holds_permission = principal_->may("watch", subject),
                         .may_consume_all = *may_consume_all_};
}

}  // namespace eventbus
