#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eventbus {

// Who is behind a socket or a request, from a verified token.
struct Principal {
    enum class Kind { kUser, kService };

    Kind kind = Kind::kUser;
    std::string id;                        // the user's id, or the service's name
    std::vector<std::string> roles;        // of users
    std::vector<std::string> permissions;  // "verb:what", DESIGN section 3, Permissions
    std::chrono::system_clock::time_point expires_at = std::chrono::system_clock::time_point::max();

    bool is_user() const { return kind == Kind::kUser; }
    bool is_service() const { return kind == Kind::kService; }
    bool has_role(std::string_view role) const;

    // "user:ID" or "service:NAME": unlike for unlike principals; the default `source` of its
    // events.
    std::string key() const;

    // A hash of key(), 22 characters: the same for this principal on every node and after every
    // restart. It tells two people's state apart, and says no name.
    std::string fingerprint() const;

    // True if a permission covers `verb` on `what` (a subject or a type):
    // may("watch", "photo:123"), may("publish", "photo.uploaded").
    bool may(std::string_view verb, std::string_view what) const;
};

// One for all sockets and requests of a token.
using SharedPrincipal = std::shared_ptr<const Principal>;

}  // namespace eventbus
